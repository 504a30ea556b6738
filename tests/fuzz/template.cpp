// Templates, rendered with hostile values: no value gets more into a place than the place allows.
#include "fuzz/fuzz.h"

#include <algorithm>
#include <string>

#include <hangup/config/template.h>

namespace hangup::fuzz {
namespace {

class Hostile final : public config::VariableSource {
 public:
  explicit Hostile(std::string_view value) : value_(value) {}
  std::optional<std::string_view> value(const config::VariableRef& ref, std::string&) const override {
    if (ref.fallback && ref.name.size() % 2 == 1) return std::nullopt;
    return value_;
  }

 private:
  std::string_view value_;
};

bool any_raw(const config::Template& parsed) {
  return std::ranges::any_of(parsed.segments(), [](const auto& segment) {
    const auto* variable = std::get_if<config::VariableRef>(&segment);
    return variable != nullptr && variable->raw;
  });
}

void check_template(const config::Template& parsed, std::string_view value, char hostile) {
  const auto count = [hostile](std::string_view text) { return std::ranges::count(text, hostile); };
  using enum config::Place;
  for (const config::Place place : {url, header, json, text}) {
    const auto rendered = parsed.render(Hostile(value), place);
    if (!rendered) {
      require(!rendered.error().empty(), "what is refused says why");
      continue;
    }
    if (place == json && hostile == '"') continue;  // it stands there escaped
    if (place == header && hostile == '"') continue;
    if (any_raw(parsed) && place != header) continue;
    require(count(*rendered) <= count(parsed.text()), "a value adds nothing that its place forbids");
  }
}

}  // namespace
}  // namespace hangup::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = hangup::fuzz::view(data, size);
  const auto parsed = hangup::config::Template::parse(text);
  if (!parsed) {
    hangup::fuzz::require(!parsed.error().message.empty() && parsed.error().offset <= text.size(),
                          "an error says what and where");
    return 0;
  }
  hangup::fuzz::require(parsed->text() == text, "a template keeps its text");
  for (const std::string_view value : {"\n", "a\nb", "\r\n", "\"", "a\" b", "plain"}) {
    hangup::fuzz::check_template(*parsed, value, '\n');
    hangup::fuzz::check_template(*parsed, value, '"');
  }
  return 0;
}
