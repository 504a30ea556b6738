#include "proxy/json_edit.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <hangup/base/text.h>
#include <hangup/http/json_scanner.h>

namespace hangup::proxy {
namespace {

using http::JsonScanner;
using Kind = JsonScanner::Kind;

std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t dot = path.find('.');
    parts.push_back(path.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    path.remove_prefix(dot + 1);
  }
}

// Bytes of the document that are replaced.
struct Splice {
  std::size_t start = 0;
  std::size_t end = 0;
  std::string text;
};

// Finds out what has to be replaced, while a scanner reads the document.
class FieldFinder final : public JsonScanner::Handler {
 public:
  FieldFinder(std::string_view document, std::string_view path, std::string_view value)
      : document_(document), parts_(parts_of(path)), value_(value) {}

  void on_start(Kind kind, std::uint64_t offset) override {
    const auto at = static_cast<std::size_t>(offset);
    if (kind == Kind::key) return start_key(at);
    const bool enters = start_value(kind, at);
    if (kind == Kind::object || kind == Kind::array) ++depth_;
    if (enters) objects_.push_back({.start = at});
  }

  void on_end(Kind kind, std::uint64_t offset) override {
    const auto end = static_cast<std::size_t>(offset);
    if (kind == Kind::key) return end_key(end);
    if (kind == Kind::object || kind == Kind::array) {
      if (in_object()) end_object();
      --depth_;
    }
    if (!in_object()) return;
    Object& object = objects_.back();
    object.members_end = end;
    if (std::exchange(object.on_path, false) && is_last_part()) object.field->value_end = end;
  }

  // Why the field can't be set; "" if it can.
  const std::string& fault() const { return fault_; }

  std::string edited() {
    std::ranges::sort(splices_, {}, &Splice::start);
    std::string out;
    std::size_t at = 0;
    for (const Splice& splice : splices_) {
      out += document_.substr(at, splice.start - at);
      out += splice.text;
      at = splice.end;
    }
    out += document_.substr(at);
    return out;
  }

 private:
  struct Member {
    std::size_t start = 0;
    std::size_t value = 0;
    std::size_t value_end = 0;
    std::optional<std::size_t> next = {};  // where the member behind it starts
  };
  // One that is open and on the path.
  struct Object {
    std::size_t start = 0;
    std::size_t member_start = 0;                 // of the one that is being read
    std::optional<std::size_t> members_end = {};  // of those so far
    bool on_path = false;                         // the path goes on with the member that is being read
    bool any_on_path = false;
    std::optional<Member> field = {};  // the last one so far that is to be set
  };

  // What is read now stands in the innermost object of the path, and in nothing inside of that.
  bool in_object() const { return !objects_.empty() && depth_ == objects_.size(); }
  bool is_last_part() const { return objects_.size() == parts_.size(); }

  void start_key(std::size_t at) {
    if (!in_object()) return;
    Object& object = objects_.back();
    object.member_start = at;
    if (object.field && !object.field->next) object.field->next = at;
  }

  void end_key(std::size_t end) {
    if (!in_object()) return;
    Object& object = objects_.back();
    const std::string_view inside = document_.substr(object.member_start + 1, end - object.member_start - 2);
    const std::string_view wanted = parts_[objects_.size() - 1];
    object.on_path = inside.contains('\\') ? http::json_unescaped(inside) == wanted : inside == wanted;
    if (!object.on_path) return;
    object.any_on_path = true;
    if (!is_last_part()) return;
    if (object.field) splices_.push_back({object.field->start, *object.field->next, {}});
    object.field = Member{.start = object.member_start};
  }

  // Whether it is an object that the path goes through.
  bool start_value(Kind kind, std::size_t at) {
    if (depth_ == 0) {
      if (kind != Kind::object) fault_ = "it is not an object";
      return kind == Kind::object;
    }
    if (!in_object() || !objects_.back().on_path) return false;
    if (is_last_part()) {
      objects_.back().field->value = at;
      return false;
    }
    if (kind != Kind::object && fault_.empty()) {
      for (std::size_t i = 0; i < objects_.size(); ++i) {
        fault_.append(i == 0 ? "" : ".").append(parts_[i]);
      }
      fault_ += " in it is not an object";
    }
    return kind == Kind::object;
  }

  void end_object() {
    const Object& object = objects_.back();
    if (object.field) {
      splices_.push_back({object.field->value, object.field->value_end, std::string(value_)});
    } else if (!object.any_on_path) {
      const std::size_t at = object.members_end.value_or(object.start + 1);
      splices_.push_back({at, at, (object.members_end ? "," : "") + missing_member()});
    }
    objects_.pop_back();
  }

  // From the innermost object on.
  std::string missing_member() const {
    std::string text;
    for (std::size_t i = objects_.size() - 1; i < parts_.size(); ++i) {
      text += '"';
      append_json_escaped(text, parts_[i]);
      text += i + 1 == parts_.size() ? "\":" : "\":{";
    }
    text += value_;
    text.append(parts_.size() - objects_.size(), '}');
    return text;
  }

  std::string_view document_;
  std::vector<std::string_view> parts_;
  std::string_view value_;
  std::size_t depth_ = 0;  // containers open
  std::vector<Object> objects_;
  std::vector<Splice> splices_;
  std::string fault_;
};

class Nobody final : public JsonScanner::Handler {
  void on_start(Kind /*kind*/, std::uint64_t /*offset*/) override {}
  void on_end(Kind /*kind*/, std::uint64_t /*offset*/) override {}
};

}  // namespace

std::expected<std::string, std::string> with_field(std::string_view document, std::string_view path,
                                                   std::string_view value) {
  FieldFinder finder(document, path, value);
  JsonScanner scanner(finder);
  scanner.feed(document);
  if (!scanner.finish()) {
    return std::unexpected("it is not JSON: " + std::string(scanner.fault()) + " at byte " +
                           std::to_string(scanner.offset()));
  }
  if (!finder.fault().empty()) return std::unexpected(finder.fault());
  return finder.edited();
}

bool is_json(std::string_view text) {
  Nobody nobody;
  JsonScanner scanner(nobody);
  scanner.feed(text);
  return scanner.finish();
}

}  // namespace hangup::proxy
