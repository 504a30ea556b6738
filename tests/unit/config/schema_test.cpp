// conf/hangup.schema.json against the parser. What the parser knows is read off its own messages: an unknown
// key is answered with those that there are, a wrong value with what was expected. So nothing here lists
// keys, and a failure names the key and what has to be written where.
#include "config/quote.h"
#include "unit/config/support.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>
#include <set>

#include <hangup/base/units.h>

namespace hangup::config {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view no_key = "zz-no-key";
constexpr std::string_view wrong = "@wrong";

const Json& schema_root() {
  static const Json root = [] {
    std::ifstream file(std::filesystem::path(HANGUP_SOURCE_DIR) / "conf/hangup.schema.json");
    return Json::parse(file);
  }();
  return root;
}

// A schema with what its $ref says filled in; what stands beside a $ref comes first.
Json resolved(Json schema) {
  while (schema.contains("$ref")) {
    const Json::json_pointer pointer(schema["$ref"].get<std::string>().substr(1));
    schema.erase("$ref");
    Json target = schema_root().at(pointer);
    target.update(schema);
    schema = std::move(target);
  }
  return schema;
}

// The schemas of `anyOf`, and of those inside of these; or the schema itself.
std::vector<Json> alternatives(const Json& schema) {
  const Json whole = resolved(schema);
  if (!whole.contains("anyOf")) return {whole};
  std::vector<Json> all;
  for (const Json& each : whole["anyOf"]) std::ranges::copy(alternatives(each), std::back_inserter(all));
  return all;
}

// Where a value stands: keys, "[]" for an item of a list, "*" for any name.
using Path = std::vector<std::string>;

std::string written(const Path& path) {
  std::string out;
  for (const std::string& step : path) out += (out.empty() || step == "[]" ? "" : ".") + step;
  return out.empty() ? "the top level" : out;
}

// What the parser says of a document that has nothing but `value`, at `path`.
std::vector<std::string> said_of(const Path& path, Json value) {
  for (auto step = path.rbegin(); step != path.rend(); ++step) {
    value = *step == "[]" ? Json::array({value}) : Json{{*step == "*" ? "x" : *step, value}};
  }
  return problems(value.dump());
}

// The first group of the first problem that matches.
std::optional<std::string> found(const std::vector<std::string>& problems, const std::string& pattern) {
  const std::regex regex(pattern);
  std::smatch match;
  for (const std::string& problem : problems) {
    if (std::regex_search(problem, match, regex)) return match[1].str();
  }
  return std::nullopt;
}

std::set<std::string> keys_of_parser(const Path& path) {
  const auto list =
      found(said_of(path, Json{{no_key, 1}}), "unknown key `zz-no-key`, expected one of: ([^;]*)");
  std::set<std::string> keys;
  if (!list) return keys;
  static const std::regex comma(", ");
  for (std::sregex_token_iterator key(list->begin(), list->end(), comma, -1), end; key != end; ++key)
    keys.insert(*key);
  return keys;
}

// Calls `visit` for every mapping with known keys, with its path and schema.
void visit_sections(const Json& schema, const Path& path,
                    const std::function<void(const Path&, const Json&)>& visit) {
  const auto below = [&](const Json& inner, std::string step) {
    Path longer = path;
    longer.push_back(std::move(step));
    visit_sections(inner, longer, visit);
  };
  for (const Json& each : alternatives(schema)) {
    if (each.contains("items")) below(each["items"], "[]");
    if (each.contains("additionalProperties") && each["additionalProperties"].is_object())
      below(each["additionalProperties"], "*");
    if (!each.contains("properties")) continue;
    visit(path, each);
    for (const auto& [key, inner] : each["properties"].items()) below(inner, key);
  }
}

// Calls `visit` for every key, with its path and its schema.
void visit_keys(const std::function<void(const Path&, const Json&)>& visit) {
  visit_sections(schema_root(), {}, [&](const Path& path, const Json& section) {
    for (const auto& [key, schema] : section["properties"].items()) {
      Path whole = path;
      whole.push_back(key);
      visit(whole, schema);
    }
  });
}

TEST(Schema, HasTheKeysThatTheParserKnowsAndNoOthers) {
  visit_sections(schema_root(), {}, [](const Path& path, const Json& section) {
    const std::set<std::string> known = keys_of_parser(path);
    ASSERT_FALSE(known.empty()) << "the schema has keys at " << written(path)
                                << ", where the parser reads no mapping with known keys";
    for (const std::string& key : known) {
      EXPECT_TRUE(section["properties"].contains(key))
          << "the parser reads `" << key << "` at " << written(path)
          << ": add it to the \"properties\" there in conf/hangup.schema.json, with a description, its type "
             "(see $defs), and a default or an example";
    }
    for (const auto& [key, schema] : section["properties"].items()) {
      EXPECT_TRUE(known.contains(key)) << "conf/hangup.schema.json has `" << key << "` at " << written(path)
                                       << ", which the parser does not read";
    }
    EXPECT_TRUE(section.contains("additionalProperties") && section["additionalProperties"] == false)
        << "\"additionalProperties\": false is missing at " << written(path);
  });
}

TEST(Schema, SaysOfEveryKeyWhatItIsAndWhatItIsWithout) {
  visit_keys([](const Path& path, const Json& schema) {
    const Json whole = resolved(schema);
    ASSERT_TRUE(whole.contains("description")) << written(path) << " has no description";
    const std::string description = whole["description"];
    EXPECT_TRUE(description.ends_with('.')) << written(path) << ": " << description;
    EXPECT_FALSE(description.contains('\n')) << written(path);
    const auto inner = alternatives(schema);
    const bool is_section = std::ranges::any_of(
        inner, [](const Json& each) { return each.contains("properties") || each.contains("items"); });
    EXPECT_TRUE(is_section || whole.contains("default") || whole.contains("examples") ||
                whole.contains("additionalProperties") || description.contains("By default"))
        << written(path) << " has neither a default nor an example";
  });
}

// A value's kind, as both sides can be asked for it: "duration", "size 1..1024", "one of a or b", "text".
std::string kind_in_parser(const Path& path) {
  const auto said = said_of(path, wrong);
  const auto expected = found(said, ": found `@wrong`, expected (.*)$").value_or("");
  std::smatch match;
  static const std::regex number("^((\\w+) or )?a whole number from (\\d+) to (\\d+)$");
  if (std::regex_search(expected, match, number)) {
    const std::string word = match[2].matched ? match[2].str() + " or " : "";
    return word + "number " + match[3].str() + ".." + match[4].str();
  }
  if (expected.starts_with("a size such as")) {
    for (const char* out_of_bounds : {"0", "9000000000GiB"}) {
      const auto bounds = found(said_of(path, out_of_bounds), "expected a size (from \\S+ to \\S+)$");
      if (!bounds) continue;
      std::smatch both;
      static const std::regex ends("from (\\S+) to (\\S+)");
      std::regex_search(*bounds, both, ends);
      return "size " + std::to_string(parse_bytes(both[1].str())->count) + ".." +
             std::to_string(parse_bytes(both[2].str())->count);
    }
    return "size";
  }
  static const std::regex duration("^a duration such as [^,]*, [^,]*, [^,]* or 1h(, or (\\w+))?$");
  if (std::regex_search(expected, match, duration)) {
    const bool takes_0 = !found(said_of(path, "0s"), "(expected a duration from)");
    return (match[2].matched ? match[2].str() + " or " : "") + (takes_0 ? "duration or 0" : "duration");
  }
  // Names, as one_of() writes them; a sentence has blanks elsewhere.
  static const std::regex names(
      "^[\\w.]+(, [\\w.]+)*( or [\\w.]+)?( or a list of these)?(; did you mean .*)?$");
  if (std::regex_match(expected, names)) return "one of " + expected.substr(0, expected.find(';'));
  return "text";
}

std::string kind_in_schema(const Json& schema) {
  std::string words;
  std::vector<std::string> names;
  std::string kind = "text";
  for (const Json& each : alternatives(schema)) {
    const std::string title = each.value("title", "");
    if (each.contains("const")) words += each["const"].get<std::string>() + " or ";
    if (each.contains("enum")) {
      for (const Json& name : each["enum"]) {
        std::string text = name.is_string() ? name.get<std::string>() : name.dump();
        if (std::ranges::find(names, text) == names.end()) names.push_back(std::move(text));
      }
      kind = "one of " + one_of(names);
    } else if (title == "true or false") {
      kind = "one of true or false";
    } else if (title == "duration") {
      kind = each.contains("maximum") ? "duration or 0" : "duration";
    } else if (title == "size" || title == "number" || title == "status") {
      kind = (title == "size" ? "size " : "number ") + each.value("minimum", Json()).dump() + ".." +
             each.value("maximum", Json()).dump();
    }
  }
  return words + kind;
}

bool has_mapping(const Json& schema) {
  return std::ranges::any_of(alternatives(schema),
                             [](const Json& each) { return each.value("type", Json()) == "object"; });
}

TEST(Schema, GivesKeysTheTypesNamesAndBoundsOfTheParser) {
  visit_keys([](const Path& path, const Json& schema) {
    if (has_mapping(schema)) return;
    const auto inner = alternatives(schema);
    if (std::ranges::all_of(inner, [](const Json& each) { return each.contains("items"); })) return;
    EXPECT_EQ(kind_in_schema(schema), kind_in_parser(path))
        << "of " << written(path)
        << ", in conf/hangup.schema.json and in the parser's message for a wrong value";
  });
}

TEST(Schema, TakesListsAndMappingsWhereTheParserDoes) {
  visit_keys([](const Path& path, const Json& schema) {
    const auto inner = alternatives(schema);
    const auto has = [&](const char* type) {
      return std::ranges::any_of(inner, [&](const Json& each) { return each.value("type", Json()) == type; });
    };
    const bool has_scalar = std::ranges::any_of(inner, [](const Json& each) {
      const Json type = each.value("type", Json());
      return type != "array" && type != "object";
    });
    const auto list = said_of(path, Json::array({wrong}));
    EXPECT_EQ(has("array"), !found(list, ": found (a list), expected")) << written(path) << " given a list";
    const auto mapping = said_of(path, Json{{no_key, 1}});
    EXPECT_EQ(has("object"), !found(mapping, ": found (a mapping), expected"))
        << written(path) << " given a mapping";
    const auto scalar = said_of(path, wrong);
    EXPECT_EQ(has_scalar, !found(scalar, ": found `@wrong`, expected a (mapping|list)"))
        << written(path) << " given a text";
  });
}

// The defaults, as a configuration that says nothing has them.
std::map<std::string, std::string> defaults_of_parser() {
  const auto config = valid(
      "listeners: [{address: \"127.0.0.1:0\"}]\n"
      "upstreams: {app: {servers: [\"http://127.0.0.1\"], health: {path: /}, outlier: {}}}\n"
      "cleanups: {stop: {url: \"http://127.0.0.1/\"}}\n"
      "routes: [{upstream: app, heartbeat: {}}]\n"
      "admin: {}\n");
  const Listener& listener = config->listeners.front();
  const Upstream& upstream = *config->upstreams.front();
  const Route& route = config->routes.front();
  const Cleanup& cleanup = *config->cleanups.front();
  const auto time = [](Duration duration) { return format_duration(duration); };
  const auto yes_or_no = [](bool yes) { return std::string(yes ? "true" : "false"); };
  const auto number = [](auto value) { return std::to_string(value); };
  const auto is = [](bool right, const char* name) { return std::string(right ? name : "something else"); };
  std::string outcomes;
  for (std::size_t i = 0; i < outcome_names.size(); ++i) {
    if (route.cleanup_on.contains(static_cast<Outcome>(i)))
      outcomes += (outcomes.empty() ? "" : ",") + std::string(outcome_names[i]);
  }
  std::map<std::string, std::string> defaults = {
      {"listeners[].dead_peer", time(listener.dead_peer)},
      {"listeners[].trust_request_id", yes_or_no(listener.trust_request_id)},
      {"listeners[].trace", is(listener.trace == Listener::Trace::continued, "continue")},
      {"listeners[].proxy_protocol", is(!listener.proxy_protocol, "off")},
      {"listeners[].tls.min_version", is(!ServerTls{}.only_tls13, "1.2")},
      {"listeners[].tls.client_certificates", is(ServerTls{}.client_certificates_required, "required")},
      {"listeners[].limits.connections", number(listener.connections.max)},
      {"listeners[].limits.when_full",
       is(listener.connections.when_full == Listener::Connections::WhenFull::wait, "wait")},
      {"listeners[].limits.connections_per_client", number(listener.connections.per_client)},
      {"listeners[].limits.header_bytes", format_bytes(Bytes{listener.head.head_bytes})},
      {"listeners[].limits.headers", number(listener.head.fields)},
      {"listeners[].limits.body_bytes", format_bytes(listener.body_bytes)},
      {"listeners[].timeouts.handshake", time(listener.timeouts.handshake)},
      {"listeners[].timeouts.idle", time(listener.timeouts.idle)},
      {"listeners[].timeouts.header", time(listener.timeouts.header)},
      {"listeners[].timeouts.body_idle", time(listener.timeouts.body_idle)},
      {"listeners[].timeouts.write_idle", time(listener.timeouts.write_idle)},
      {"auth.forward_authorization", yes_or_no(Auth{}.forward_authorization)},
      {"upstreams.*.required", yes_or_no(upstream.required)},
      {"upstreams.*.balance", is(upstream.balance == Balance::round_robin, "round_robin")},
      {"upstreams.*.servers[].weight", number(upstream.servers.front().weight)},
      {"upstreams.*.slow_start", time(upstream.slow_start)},
      {"upstreams.*.retries.attempts", number(upstream.retries.attempts)},
      {"upstreams.*.retries.on",
       is(upstream.retries.connect && upstream.retries.reset_before_head && upstream.retries.statuses.empty(),
          "connect,reset_before_head")},
      {"upstreams.*.retries.budget", number(upstream.retries.budget_percent) + "%"},
      {"upstreams.*.retries.min_per_second", number(upstream.retries.min_per_second)},
      {"upstreams.*.connections.retry_after", time(upstream.connections.retry_after)},
      {"upstreams.*.host", is(upstream.host_policy == Upstream::HostPolicy::keep, "keep")},
      {"upstreams.*.resolve", time(upstream.resolve.value_or(Duration::zero()))},
      {"upstreams.*.health.method", upstream.health->method},
      {"upstreams.*.health.status",
       is(upstream.health->status == std::vector{HealthCheck::Statuses{200, 399}}, "200-399")},
      {"upstreams.*.health.interval", time(upstream.health->interval)},
      {"upstreams.*.health.timeout", time(upstream.health->timeout)},
      {"upstreams.*.health.unhealthy", number(upstream.health->unhealthy)},
      {"upstreams.*.health.healthy", number(upstream.health->healthy)},
      {"upstreams.*.outlier.failures", number(upstream.outlier->failures)},
      {"upstreams.*.outlier.eject", time(upstream.outlier->eject)},
      {"upstreams.*.outlier.max_ejected_percent", number(upstream.outlier->max_ejected_percent)},
      {"upstreams.*.connections.max", number(upstream.connections.max)},
      {"upstreams.*.connections.keepalive", number(upstream.connections.keepalive)},
      {"upstreams.*.connections.idle", time(upstream.connections.idle)},
      {"upstreams.*.connections.queue", number(upstream.connections.queue)},
      {"upstreams.*.connections.queue_timeout", time(upstream.connections.queue_timeout)},
      {"upstreams.*.timeouts.connect", time(upstream.timeouts.connect)},
      {"upstreams.*.timeouts.first_byte", time(upstream.timeouts.first_byte)},
      {"upstreams.*.timeouts.idle", time(upstream.timeouts.idle)},
      {"upstreams.*.timeouts.total", time(upstream.timeouts.total)},
      {"upstreams.*.timeouts.tunnel", time(upstream.timeouts.tunnel)},
      {"routes[].match.path", route.match.path.text},
      {"routes[].ambiguous_paths", is(!route.access.ambiguous_paths, "reject")},
      {"routes[].upgrades", route.upgrades.size() == 1 ? route.upgrades.front() : "something else"},
      {"routes[].request.json_limit", format_bytes(route.request.json_limit)},
      {"routes[].on_disconnect.upstream",
       is(route.on_disconnect.upstream == OnDisconnect::Upstream::abort, "abort")},
      {"routes[].on_disconnect.half_close",
       is(route.on_disconnect.half_close == OnDisconnect::HalfClose::probe, "probe")},
      {"routes[].on_disconnect.grace", time(route.on_disconnect.grace)},
      {"routes[].on_disconnect.cleanup", is(route.on_disconnect.cleanups.empty(), "none")},
      {"routes[].heartbeat.every", time(route.heartbeat.every)},
      {"routes[].heartbeat.kind", is(route.heartbeat.kind == Heartbeat::Kind::automatic, "auto")},
      {"routes[].cleanup_on", outcomes},
      {"outbox.store", is(config->outbox.store == Outbox::Store::sqlite, "sqlite")},
      {"outbox.path", Outbox{}.path.string()},
      {"outbox.in_flight_journal", yes_or_no(config->outbox.in_flight_journal)},
      {"outbox.keep_delivered", time(config->outbox.keep_delivered.value_or(Duration::zero()))},
      {"admin.address", config->admin->to_string()},
      {"access_log.path", config->access_log.path},
      {"access_log.format", is(!config->access_log.line, "json")},
      {"access_log.sample", is(config->access_log.sample == 1, "1")},
      {"log.path", config->log.path},
      {"log.level", config->log.level},
      {"log.format", "text"},
      {"secrets.allow_insecure_permissions", yes_or_no(ClientTls{}.allow_insecure_permissions)},
      {"shutdown.drain", time(config->drain)},
      {"workers", "auto"},
  };
  const std::map<std::string, std::string> of_cleanups = {
      {"to", is(cleanup.to == Cleanup::To::url, "url")},
      {"method", cleanup.method},
      {"timeout", time(cleanup.timeout)},
      {"delay", time(cleanup.delay)},
      {"expire_after", time(cleanup.expire_after.value_or(Duration::zero()))},
      {"retry.max_attempts", number(cleanup.retry.max_attempts)},
      {"retry.backoff.base", time(cleanup.retry.backoff_base)},
      {"retry.backoff.max", time(cleanup.retry.backoff_max)},
  };
  for (const char* where :
       {"cleanups.*.", "routes[].on_disconnect.cleanup.", "routes[].on_disconnect.cleanup[]."}) {
    for (const auto& [key, value] : of_cleanups) defaults.emplace(where + key, value);
  }
  return defaults;
}

TEST(Schema, HasTheDefaultsThatAConfigurationGetsWhichSaysNothing) {
  const auto defaults = defaults_of_parser();
  visit_keys([&](const Path& path, const Json& schema) {
    if (!schema.contains("default")) {
      EXPECT_FALSE(defaults.contains(written(path)))
          << written(path) << " has a default that is not in the schema";
      return;
    }
    const auto known = defaults.find(written(path));
    ASSERT_NE(known, defaults.end()) << "add " << written(path) << " to defaults_of_parser() in this test";
    const Json& value = schema["default"];
    std::string text;
    for (const Json& each : value.is_array() ? value : Json::array({value}))
      text += (text.empty() ? "" : ",") + (each.is_string() ? each.get<std::string>() : each.dump());
    // The same time may be written in other units.
    const auto duration = parse_duration(text);
    EXPECT_EQ(duration && text != "0" && !value.is_number() ? format_duration(*duration) : text,
              known->second)
        << "of " << written(path);
  });
}

}  // namespace
}  // namespace hangup::config
