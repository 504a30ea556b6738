// The cleanups that a route calls.
#include "config/environment.h"
#include "config/sections.h"
#include "config/variables.h"

#include <algorithm>

namespace hangup::config {
namespace {

constexpr std::string_view expected_item = "the name of a cleanup or a mapping with one";
constexpr std::string_view expected_here =
    "the name of a cleanup, a mapping with one, a list of these, or none";

void check_shared_captures(Reader& reader, const Node& node, const Cleanup& cleanup,
                           const PathPattern& path) {
  std::vector<std::string> missing = missing_captures(cleanup.url, path);
  const auto add_missing = [&](const Template& text) {
    for (std::string& name : missing_captures(text, path)) missing.push_back(std::move(name));
  };
  add_missing(cleanup.body);
  for (const auto& [name, value] : cleanup.headers) add_missing(value);
  for (const std::string& name : missing) {
    reader.problem(node.position, "cleanup " + shown(cleanup.name) + " needs {path." + name +
                                      "}, which this route's path " + shown(path.text) + " does not capture");
  }
}

// Reads one route's.
class CalledCleanups {
 public:
  CalledCleanups(Reader& reader, const ByName<Cleanup>& named, Route& route, Config& config)
      : reader_(reader), named_(named), route_(route), config_(config) {}

  void add(const Node& node) {
    auto called = node.kind == Node::Kind::mapping ? read_inline(node) : find(node);
    if (called) route_.on_disconnect.cleanups.push_back(std::move(called));
  }

 private:
  std::shared_ptr<const Cleanup> find(const Node& node) {
    const auto text = reader_.text(node, "cleanup", expected_item);
    if (!text) return nullptr;
    const auto found = named_.find(text->value);
    if (found == named_.end()) {
      auto names = names_of(named_);
      const std::string expected = known_names("cleanups", names) + "; or none, or a mapping with a cleanup";
      names.emplace_back("none");
      reader_.unexpected(node, "cleanup", expected, names);
      return nullptr;
    }
    if (std::ranges::find(route_.on_disconnect.cleanups, found->second) !=
        route_.on_disconnect.cleanups.end()) {
      reader_.problem(node.position, "`cleanup`: " + shown(text->value) + " twice");
      return nullptr;
    }
    check_shared_captures(reader_, node, *found->second, route_.match.path);
    return found->second;
  }

  // Every delivery names its cleanup, so these need a name as well.
  std::shared_ptr<const Cleanup> read_inline(const Node& node) {
    ++inline_ones_;
    const std::string name =
        inline_ones_ == 1 ? route_.name : route_.name + "#" + std::to_string(inline_ones_);
    const bool is_taken =
        std::ranges::any_of(config_.cleanups, [&](const auto& each) { return each->name == name; });
    // Two routes of one name are reported as that.
    const bool is_route_twice =
        std::ranges::any_of(config_.routes, [&](const Route& each) { return each.name == route_.name; });
    if (is_taken && !is_route_twice) {
      reader_.problem(node.position,
                      "a cleanup written in a route is called after it, and there is a cleanup " +
                          shown(name) + " already: give the route another name");
    }
    auto cleanup = read_cleanup(reader_, node, name, &route_.match.path);
    config_.cleanups.push_back(cleanup);
    return cleanup;
  }

  Reader& reader_;
  const ByName<Cleanup>& named_;
  Route& route_;
  Config& config_;
  std::size_t inline_ones_ = 0;
};

bool is_none(const Node& node) {
  return node.kind == Node::Kind::scalar && expand_environment(node.text, false).text == "none";
}

}  // namespace

void read_called_cleanups(Section& on_disconnect, const ByName<Cleanup>& cleanups, Route& route,
                          Config& config) {
  Reader& reader = on_disconnect.reader();
  const Node* node = on_disconnect.optional("cleanup");
  if (node == nullptr) return;
  CalledCleanups called(reader, cleanups, route, config);
  if (node->kind == Node::Kind::nothing || (node->kind == Node::Kind::list && node->items.empty())) {
    return reader.unexpected(*node, "cleanup", expected_here);
  }
  if (node->kind != Node::Kind::list) {
    if (!is_none(*node)) called.add(*node);
    return;
  }
  for (const auto& item : node->items) {
    if (is_none(*item)) {
      reader.problem(item->position, "`cleanup`: `none` in a list; leave it out");
    } else {
      called.add(*item);
    }
  }
}

}  // namespace hangup::config
