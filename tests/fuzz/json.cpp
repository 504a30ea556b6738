// JSON bodies that fields are caught of and planted in. What is caught does not depend on the pieces that a
// body arrives in, and is what another parser reads there; a planted field is read there by it too, and
// nothing else changes.
#include "fuzz/fuzz.h"
#include "proxy/json_capture.h"
#include "proxy/json_edit.h"

#include <array>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace hangup::fuzz {
namespace {

using Json = nlohmann::json;
using Values = std::map<std::string, std::string>;

constexpr std::array<std::string_view, 6> paths = {"id", "a", "a.id", "a.0", "a.b.id", "0.id"};

const proxy::CapturePlan& plan() {
  static const proxy::CapturePlan made = [] {
    std::string body;
    for (const std::string_view path : paths) body.append("{response.json.").append(path).append("}");
    auto cleanup = std::make_shared<config::Cleanup>();
    cleanup->body = *config::Template::parse(body);
    config::Route route;
    route.on_disconnect.cleanups = {cleanup};
    return proxy::CapturePlan(route, config::Variable::response_json);
  }();
  return made;
}

Values captured(std::string_view body, proxy::JsonIn where, Chance* cuts) {
  proxy::JsonCapture capture(plan(), where);
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t size = cuts == nullptr ? body.size() : 1 + cuts->below(body.size() - at);
    capture.feed(std::string(body.substr(at, size)));  // gone after the call
    at += size;
  }
  Values values;
  for (const std::string_view path : paths) {
    if (const auto value = capture.value(path)) values.emplace(path, *value);
  }
  return values;
}

// Whether parsers agree about a text: it is valid, no deeper than ours goes, and no object has a key twice.
class Agreed final : public nlohmann::json_sax<Json> {
 public:
  static bool on(std::string_view text) {
    Agreed reader;
    return Json::sax_parse(text, &reader) && !reader.twice_;
  }
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    twice_ = twice_ || !keys_.back().insert(name).second;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  bool open() {
    keys_.emplace_back();
    return keys_.size() < http::JsonScanner::most_depth;
  }
  bool close() {
    keys_.pop_back();
    return true;
  }

  std::vector<std::set<std::string>> keys_;
  bool twice_ = false;
};

const Json* at_path(const Json& document, std::string_view path) {
  const Json* here = &document;
  while (!path.empty()) {
    const std::size_t dot = path.find('.');
    const std::string part(path.substr(0, dot));
    path.remove_prefix(dot == std::string_view::npos ? path.size() : dot + 1);
    if (here->is_object()) {
      const auto found = here->find(part);
      if (found == here->end()) return nullptr;
      here = &*found;
    } else if (here->is_array() && part == "0" && !here->empty()) {
      here = &here->front();
    } else {
      return nullptr;
    }
  }
  return here;
}

void check_against(const Json& document, const Values& values) {
  if (!document.is_object()) return;
  for (const std::string_view path : paths) {
    const Json* expected = at_path(document, path);
    const auto found = values.find(std::string(path));
    require((expected != nullptr) == (found != values.end()), "a field is caught where there is one");
    if (expected == nullptr) continue;
    const bool same = expected->is_string() ? expected->get<std::string>() == found->second
                                            : Json::parse(found->second) == *expected;
    require(same, "the value is what stands there");
  }
}

void check_planting(std::string_view text, const Json* document) {
  for (const std::string_view path : {"id", "a.id", "a.b.id"}) {
    const auto planted = proxy::with_field(text, path, R"("planted")");
    if (!planted) {
      require(!planted.error().empty(), "what can't be planted says why");
      continue;
    }
    require(proxy::is_json(*planted), "a planted document is JSON");
    if (document == nullptr) continue;
    Json expected = *document;
    std::string pointer = "/" + std::string(path);
    for (char& c : pointer) c = c == '.' ? '/' : c;
    expected[Json::json_pointer(pointer)] = "planted";
    require(Json::parse(*planted) == expected, "planting changes that field alone");
  }
}

}  // namespace
}  // namespace hangup::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hangup;
  if (size == 0) return 0;
  constexpr std::array kinds = {proxy::JsonIn::body, proxy::JsonIn::first_line, proxy::JsonIn::first_event};
  const proxy::JsonIn where = kinds.at(data[0] % kinds.size());
  const std::string_view body = fuzz::view(data + 1, size - 1);

  const fuzz::Values whole = fuzz::captured(body, where, nullptr);
  fuzz::Chance chance(body);
  for (int round = 0; round < 3; ++round) {
    fuzz::require(fuzz::captured(body, where, &chance) == whole, "pieces are read as the whole is");
  }
  if (where != proxy::JsonIn::body) return 0;
  // A byte order mark is skipped by that parser alone.
  const bool comparable = !body.starts_with("\xef") && fuzz::Agreed::on(body);
  if (!comparable) {
    fuzz::check_planting(body, nullptr);
    return 0;
  }
  const fuzz::Json document = fuzz::Json::parse(body);
  fuzz::check_against(document, whole);
  fuzz::check_planting(body, &document);
  return 0;
}
