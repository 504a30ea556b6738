// What is said about a configuration that is wrong.
#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace hangup::config {
namespace {

using testing::ElementsAre, testing::HasSubstr, testing::IsEmpty, testing::StartsWith;

struct Case {
  std::string text;
  std::string problem;
};

// Each text has just that one problem, where its § is.
void expect_each(const std::vector<Case>& cases,
                 const std::function<std::string(const std::string&)>& whole) {
  for (const Case& each : cases) expect_problem(whole(each.text), each.problem);
}

std::string with_listeners(const std::string& listeners) {
  return "upstreams: {app: {servers: [\"http://127.0.0.1:9000\"]}}\nroutes: [{upstream: app}]\nlisteners:" +
         listeners;
}

std::string with_upstream(const std::string& members) {
  return "listeners: [{address: \"127.0.0.1:0\"}]\nroutes: [{upstream: app}]\nupstreams:\n  app: {" +
         members + "}\n";
}

const std::string servers = "servers: [\"http://127.0.0.1:9000\"]";

std::string with_connections(const std::string& members) {
  return with_upstream(servers + ", connections: {" + members + "}");
}

std::string with_route(const std::string& members) {
  return "listeners: [{address: \"127.0.0.1:0\"}]\n"
         "upstreams: {app: {servers: [\"http://127.0.0.1:9000\"]}, reports: {servers: "
         "[\"http://127.0.0.1:1\"]}}\n"
         "cleanups: {stop-report: {url: \"http://127.0.0.1/{path.id}\"}, notify: {url: "
         "\"http://127.0.0.1/\"}}\n"
         "routes:\n"
         "  - {" +
         members + "}\n";
}

TEST(Problems, AreReportedAtOnceInTheOrderOfTheFile) {
  EXPECT_THAT(
      problems("workers: 0\n"
               "routes:\n"
               "  - {upstream: ap, match: {path: x}}\n"
               "upstreams:\n"
               "  app: {servers: [\"h2c://x\"], balance: random}\n"
               "listener: []\n"),
      ElementsAre("1:1: `listeners` is missing, expected a list with at least one listener, such as "
                  "[{address: 127.0.0.1:8080}]",
                  "1:10: `workers`: found `0`, expected auto or a whole number from 1 to 256",
                  "3:16: `upstream`: found `ap`, expected one of upstreams: app; did you mean `app`?",
                  "3:34: `path`: `x`: a path starts with /",
                  StartsWith("5:19: `servers`: `h2c`: this release speaks HTTP/1.1 to upstreams"),
                  StartsWith("5:40: `balance`: found `random`, expected round_robin, least_requests, "),
                  StartsWith("6:1: unknown key `listener`")));
}

TEST(Problems, UnknownKeysNameTheKnownOnesAndTheNearest) {
  EXPECT_THAT(problems(with("worker: 1\n")),
              ElementsAre("10:1: unknown key `worker`, expected one of: secrets, workers, listeners, auth, "
                          "resolver, upstreams, cleanups, receivers, routes, "
                          "outbox, admin, access_log, log, shutdown; did you mean `workers`?"));
  EXPECT_THAT(
      problems(with("metrics: {}\n")),
      ElementsAre(
          "10:1: unknown key `metrics`, expected one of: secrets, workers, listeners, auth, resolver, "
          "upstreams, cleanups, receivers, routes, outbox, admin, access_log, log, shutdown"));
  EXPECT_THAT(problems(with("shutdown:\n  drian: 1s\n")),
              ElementsAre("11:3: unknown key `drian`, expected one of: drain; did you mean `drain`?"));
}

TEST(Problems, UnknownKeysAreFoundInEverySection) {
  const TempFile value("x");
  for (const std::string& text :
       {with_listeners(" [{address: \"127.0.0.1:0\", zzz: 1}]\n"),
        with_listeners(" [{address: \"127.0.0.1:0\", limits: {zzz: 1}}]\n"),
        with_listeners(" [{address: \"127.0.0.1:0\", timeouts: {zzz: 1}}]\n"),
        with_upstream(servers + ", zzz: 1"),
        with_upstream("servers: [{url: \"http://127.0.0.1\", zzz: 1}]"),
        with_connections("zzz: 1"),
        with_upstream(servers + ", timeouts: {zzz: 1}"),
        with_route("upstream: app, zzz: 1"),
        with_route("upstream: app, match: {zzz: 1}"),
        with_route("upstream: app, request: {zzz: 1}"),
        with_route("upstream: app, response: {zzz: 1}"),
        with_route("upstream: app, on_disconnect: {zzz: 1}"),
        with_route("upstream: app, on_disconnect: {cleanup: {url: \"http://127.0.0.1/\", zzz: 1}}"),
        with_route("upstream: app, on_disconnect: {cleanup: {url: \"http://127.0.0.1/\", retry: {zzz: 1}}}"),
        with_route("upstream: app, on_disconnect: {cleanup: {url: \"http://127.0.0.1/\", retry: {backoff: "
                   "{zzz: 1}}}}"),
        with_route("upstream: app, on_disconnect: {cleanup: {url: \"https://127.0.0.1/\", tls: {zzz: 1}}}"),
        with_route(
            "upstream: app, on_disconnect: {cleanup: {url: \"http://127.0.0.1/\", headers: {A: {file: " +
            value.path() + ", zzz: 1}}}}"),
        with("outbox: {zzz: 1}\n"),
        with("secrets: {zzz: 1}\n"),
        with("access_log: {zzz: 1}\n"),
        with("log: {zzz: 1}\n"),
        with("shutdown: {zzz: 1}\n")}) {
    EXPECT_THAT(problems(text), ElementsAre(HasSubstr(": unknown key `zzz`, expected one of: "))) << text;
  }
}

TEST(Problems, WrongTypesSayWhatWasFound) {
  expect_each(
      {{"workers: §[1]\n", "`workers`: found a list, expected auto or a whole number from 1 to 256"},
       {"§workers:\n", "`workers`: found nothing, expected auto or a whole number from 1 to 256"},
       {"shutdown: §30s\n", "`shutdown`: found `30s`, expected a mapping (keys: drain)"},
       {"§shutdown:\n", "`shutdown`: found nothing, expected a mapping (keys: drain)"},
       {"shutdown: {drain: §{}}\n",
        "`drain`: found an empty mapping, expected a duration such as 250ms, 30s, 15m or 1h"},
       {"log: {path: §[a]}\n", "`path`: found a list, expected a text"},
       {"log: {path: §\"\"}\n", "`path`: found ``, expected a text that is not empty"},
       {"access_log: §false\n", "`access_log`: found `false`, expected off or a mapping"},
       {"access_log: {format: §combind}\n",
        "`format`: found `combind`, expected json, combined or a line with {variables} in it; did you mean "
        "`combined`?"},
       {"log: {level: §warning}\n",
        "`level`: found `warning`, expected trace, debug, info, warn or error; did you mean `warn`?"}},
      with);
}

TEST(Problems, WorkersAre1To256) {
  for (const std::string bad : {"0", "257", "-1", "1.5", "many", "1KiB", "99999999999999999999", "0x10"}) {
    expect_problem(with("workers: §" + bad + "\n"),
                   StartsWith("`workers`: found `" + bad + "`, expected auto or a whole number"));
  }
  EXPECT_THAT(problems(with("workers: auot\n")), ElementsAre(testing::EndsWith("; did you mean `auto`?")));
  EXPECT_THAT(problems(with("workers: 256\n")), IsEmpty());
}

TEST(Problems, DurationsHaveUnitsAndBounds) {
  for (const std::string bad : {"30", "1.5s", "-1s", "s", "1 s", "30sec", "99999999999999999h"}) {
    expect_problem(with("shutdown: {drain: §" + bad + "}\n"),
                   "`drain`: found `" + bad + "`, expected a duration such as 250ms, 30s, 15m or 1h");
  }
  expect_problem(with("shutdown: {drain: §8761h}\n"),
                 "`drain`: found `8761h`, expected a duration from 0s to 8760h");
}

TEST(Problems, Listeners) {
  const std::string expected =
      ", expected a list with at least one listener, such as [{address: 127.0.0.1:8080}]";
  expect_each({{" §[]\n", "`listeners`: found an empty list" + expected},
               {" §{}\n", "`listeners`: found an empty mapping" + expected},
               {" [§x]\n",
                "`listeners`: found `x`, expected a mapping (keys: name, address, dead_peer, "
                "trusted_proxies, proxy_protocol, trust_request_id, trace, tls, limits, timeouts)"},
               {" [§{name: a}]\n",
                "`address` is missing, expected where to listen, such as 0.0.0.0:8080, [::]:8080, "
                "unix:/run/x.sock or fd:NAME"},
               {" [{address: §8080}]\n",
                "`address`: `8080` is not an address: expected 127.0.0.1:8080, [::1]:8080 or unix:/path"},
               {"\n - {name: a, address: \"127.0.0.1:1\"}\n - {name: §a, address: \"127.0.0.1:2\"}\n",
                "duplicate listener name `a`: names are unique"},
               {"\n - {name: a, address: \"127.0.0.1:1\"}\n - {name: b, address: §\"127.0.0.1:1\"}\n",
                "duplicate address `127.0.0.1:1`: listener `a` has it already"},
               {"\n - {name: a, address: \"0.0.0.0:1\"}\n - {name: b, address: §\"127.0.0.1:1\"}\n",
                "address `127.0.0.1:1`: listener `a` has it already, by `0.0.0.0:1`"},
               {" [{address: \"127.0.0.1:0\", limits: {headers: §0}}]\n",
                "`headers`: found `0`, expected a whole number from 1 to 10000"},
               {" [{address: \"127.0.0.1:0\", limits: {header_bytes: §1}}]\n",
                "`header_bytes`: found `1`, expected a size from 256 to 16MiB"},
               {" [{address: \"127.0.0.1:0\", limits: {connections: §0}}]\n",
                "`connections`: found `0`, expected a whole number from 1 to 10000000"},
               {" [{address: \"127.0.0.1:0\", limits: {when_full: §drop}}]\n",
                "`when_full`: found `drop`, expected wait or reject"},
               {" [{address: \"127.0.0.1:0\", limits: {connections_per_client: §-1}}]\n",
                "`connections_per_client`: found `-1`, expected a whole number from 0 to 10000000"},
               {" [{address: \"127.0.0.1:0\", limits: {body_bytes: §1MB}}]\n",
                "`body_bytes`: found `1MB`, expected a size such as 512, 32KiB, 16MiB or 2GiB"},
               {" [{address: \"127.0.0.1:0\", timeouts: {idle: §0s}}]\n",
                "`idle`: found `0s`, expected a duration from 1ms to 8760h"}},
              with_listeners);
  EXPECT_THAT(problems(with_listeners(
                  "\n - {name: a, address: \"127.0.0.1:0\"}\n - {name: b, address: \"127.0.0.1:0\"}\n")),
              IsEmpty())
      << "each gets a free port of its own";
}

TEST(Problems, Servers) {
  const std::string expected =
      "expected a server such as http://127.0.0.1:9000, https://app.internal or unix:/run/app.sock";
  const std::string http1 = ": this release speaks HTTP/1.1 to upstreams; ";
  const std::string no_path = "`servers`: a server has no path and no query: requests keep their own; ";
  const std::string some_servers =
      ", expected a list with at least one server, such as [http://127.0.0.1:9000]";
  const std::string no_host = " is no host with an optional port from 1 to 65535";
  expect_problem(
      "listeners: [{address: \"127.0.0.1:0\"}]\nroutes: [{upstream: app}]\n"
      "upstreams: {app: §{balance: round_robin}}\n",
      "`servers` is missing" + some_servers);
  expect_each({{"servers: §[]", "`servers`: found an empty list" + some_servers},
               {"servers: §http://127.0.0.1", "`servers`: found `http://127.0.0.1`" + some_servers}},
              with_upstream);
  expect_each({{"\"h2c://h\"", "`servers`: `h2c`" + http1 + expected},
               {"127.0.0.1:9000", "`servers`: `127.0.0.1:9000` is no server; " + expected},
               {"\"ftp://u:secret@h\"", "`servers`: this is no server; " + expected},
               {"\"http://127.0.0.1/path\"", no_path + expected},
               {"\"http://127.0.0.1?q\"", no_path + expected},
               {"\"http://u:secret@127.0.0.1\"", "`servers`: a URL here has no user and no password"},
               {"\"http://127.0.0.1:0\"", "`servers`: `127.0.0.1:0`" + no_host},
               {"\"http://127.0.0.1:\"", "`servers`: `127.0.0.1:`" + no_host},
               {"\"http://127.0.0.1:65536\"", "`servers`: `127.0.0.1:65536`" + no_host},
               {"\"http://[::g]\"", "`servers`: `[::g]`" + no_host},
               {"\"http://[::1\"", "`servers`: `[::1`" + no_host},
               {"\"http://\"", "`servers`: ``" + no_host},
               {"\"http://a b\"", "`servers`: `a b`" + no_host},
               {"\"unix:app.sock\"",
                "`servers`: `unix:app.sock`: a UNIX socket needs an absolute path, unix:/run/x.sock"},
               {"{}", "`url` is missing, " + expected},
               {"[]", "`servers`: found an empty list, " + expected}},
              [](const std::string& server) { return with_upstream("servers: [§" + server + "]"); });
  expect_problem(with_upstream("resolve: off, servers: [§\"http://nobody.invalid:1\"]"),
                 StartsWith("`servers`: the host `nobody.invalid` can't be looked up: "));
}

TEST(Problems, Upstreams) {
  expect_each({{"max: §0", "`max`: found `0`, expected a whole number from 1 to 1000000"},
               {"max: §-5", "`max`: found `-5`, expected a whole number from 1 to 1000000"},
               {"max: 8, keepalive: §9", "`keepalive`: found 9, expected at most `max`, 8"},
               {"queue: §-1", "`queue`: found `-1`, expected a whole number from 0 to 1000000"},
               {"queue_timeout: §0s", "`queue_timeout`: found `0s`, expected a duration from 1ms to 8760h"}},
              with_connections);
  EXPECT_THAT(problems(with_connections("max: 1, queue: 0")), IsEmpty());
  expect_problem(with_upstream(servers + ", balance: §round_robbin"),
                 "`balance`: found `round_robbin`, expected round_robin, least_requests, random_two or "
                 "hash({...}) such as hash({client.ip}); did you mean `round_robin`?");
  expect_problem(with_upstream(servers + ", host: §\"a b\""),
                 "`host`: found `a b`, expected keep, server or a host");
  expect_problem(with_upstream(servers + ", timeouts: {connect: §0}"),
                 "`connect`: found `0`, expected a duration from 1ms to 8760h");
}

TEST(Problems, RoutesNameWhatExists) {
  expect_problem(
      "listeners: [{address: \"127.0.0.1:0\"}]\n"
      "upstreams: {app: {servers: [\"http://127.0.0.1:9000\"]}}\n"
      "routes: [§{name: x}]\n",
      "`upstream` is missing, expected one of upstreams: app");
  const std::string missing = "which this route's path `/*` does not capture";
  expect_each(
      {{"upstream: §report",
        "`upstream`: found `report`, expected one of upstreams: app, reports; did you mean `reports`?"},
       {"upstream: app, on_disconnect: {cleanup: §stop-reports}",
        "`cleanup`: found `stop-reports`, expected one of cleanups: notify, stop-report; or none, or a "
        "mapping with a "
        "cleanup; did you mean `stop-report`?"},
       {"upstream: app, on_disconnect: {cleanup: §stop-report}",
        "cleanup `stop-report` needs {path.id}, " + missing}},
      with_route);
  EXPECT_THAT(
      problems(with_route("upstream: app, match: {path: \"/{id}\"}, on_disconnect: {cleanup: stop-report}")),
      IsEmpty());
  EXPECT_THAT(problems(with_route("upstream: app, on_disconnect: {cleanup: none}")), IsEmpty());
}

TEST(Problems, RouteNamesAreUnique) {
  expect_problem(with_route("name: a, upstream: app") + "  - {name: §a, upstream: app}\n",
                 "duplicate route name `a`, first given in line 5");
  expect_problem(with_route("name: route-2, upstream: app") + "  - §{upstream: app}\n",
                 "duplicate route name `route-2`, first given in line 5");
  expect_problem("upstreams: {a: {" + servers + "}}\nlisteners: [{address: \"127.0.0.1:0\"}]\nroutes: §[]\n",
                 "`routes`: found an empty list, expected a list with at least one route, such as "
                 "[{match: {path: /*}, upstream: NAME}]");
}

TEST(Problems, Matches) {
  expect_each(
      {{"path: \"/a/§{id}x\"",
        "`path`: `{id}x`: {name} stands for a whole segment, and * only for the rest at the end, /*"},
       {"path: §x", "`path`: `x`: a path starts with /"},
       {"host: §\"example.com:80\"",
        "`host`: found `example.com:80`, expected a host without a port, such as example.com or "
        "*.example.com"},
       {"host: §\"a.*.com\"",
        "`host`: found `a.*.com`, expected a host without a port, such as example.com or "
        "*.example.com"},
       {"methods: [§get]",
        "`methods`: found `get`, expected a method such as GET, POST or DELETE; did you mean `GET`?"},
       {"methods: [GET, §GET]", "`methods`: `GET` twice"},
       {"methods: §[]", "`methods`: found an empty list, expected a list of methods"},
       {"methods: §\"A B\"", "`methods`: found `A B`, expected a method such as GET, POST or DELETE"}},
      [](const std::string& text) { return with_route("upstream: app, match: {" + text + "}"); });
  EXPECT_THAT(problems(with_route("upstream: app, match: {methods: PURGE, host: \"[::1]\"}")), IsEmpty());
}

TEST(Problems, Headers) {
  const std::string connection = " can't be changed: it belongs to the connection, which is hangup's own";
  const auto request = [](const std::string& text) {
    return with_route("upstream: app, request: {" + text + "}");
  };
  expect_each(
      {{"set_header: {§Connection: x}", "`Connection`" + connection},
       {"set_header: {§transfer-encoding: x}", "`transfer-encoding`" + connection},
       {"set_header: {§Content-Length: 1}", "`Content-Length`" + connection},
       {"set_header: {§Host: x}", "`Host` can't be changed here: set `host` of the upstream"},
       {"set_header: {§\"a b\": x}", "`a b` is no valid header name"},
       {"set_header: {X-A: 1, §x-a: 2}", "duplicate header `x-a`: header names compare without case"},
       {"set_header: {X-A: §\"a\\r\\nb\"}", "a header's value can't have line breaks or control characters"},
       {"set_header: {X-A: §\"a\\0b\"}", "a header's value can't have line breaks or control characters"},
       {"set_header: {X-A: §\"{route|\\n}\"}",
        "a header's value can't have line breaks or control characters"},
       {"set_header: {X-A: §[1]}", "`X-A`: found a list, expected a text"},
       {"set_header: §[a]", "`set_header`: found a list, expected a mapping of header names to values"},
       {"set_header: {X-A: \"id §{rquest.id}\"}", "unknown variable {rquest.id}: did you mean {request.id}?"},
       {"set_header: {X-A: \"{route} §{response.status}\"}",
        "{response.status} is not known here, before the response has come"},
       {"set_header: {X-A: \"§{response.header.x}\"}",
        "{response.header.x} is not known here, before the response has come"},
       {"set_header: {X-A: \"§{request.json.id}\"}",
        "{request.json.id} is not known here, before the body has passed: cleanups know it"},
       {"set_header: {X-A: \"§{phase}\"}", "{phase} is not known here, before the response has come"},
       {"set_header: {X-A: \"§{path.id}\"}", "{path.id} is not captured by this route's path `/*`"},
       {"remove_header: [§Host]", "`Host` can't be changed here: set `host` of the upstream"},
       {"remove_header: §\"\"", "`` is no valid header name"},
       {"remove_header: §{}", "`remove_header`: found an empty mapping, expected a list of header names"}},
      request);
  const auto response = [](const std::string& text) {
    return with_route("upstream: app, response: {" + text + "}");
  };
  expect_each(
      {{"set_header: {X-A: \"§{outcome}\"}", "{outcome} is not known here, before the exchange has ended"},
       {"set_header: {X-A: \"§{response.json.id}\"}",
        "{response.json.id} is not known here, before the body has passed: cleanups know it"},
       {"§set_query: {a: b}", "unknown key `set_query`, expected one of: set_header, remove_header"},
       {"set_header: {§Upgrade: x}", "`Upgrade`" + connection}},
      response);
  EXPECT_THAT(problems(response("set_header: {X-A: \"{response.status} {response.header.x|-}\"}")),
              IsEmpty());
  expect_problem(
      with_route("upstream: app, match: {path: \"/{id}\"}, request: {set_header: {A: \"§{path.idd}\"}}"),
      "{path.idd} is not captured by this route's path `/{id}`; did you mean `id`?");
}

TEST(Problems, DisconnectPolicies) {
  expect_each(
      {{"upstream: §abrt", "`upstream`: found `abrt`, expected abort or finish; did you mean `abort`?"},
       {"half_close: §close", "`half_close`: found `close`, expected probe, abort or wait"},
       {"grace: §-1s", "`grace`: found `-1s`, expected a duration such as 250ms, 30s, 15m or 1h"}},
      [](const std::string& text) { return with_route("upstream: app, on_disconnect: {" + text + "}"); });
}

TEST(Problems, CleanupsAreCalledForOutcomes) {
  const std::string names =
      "client_gone, client_timeout, upstream_unreachable, upstream_timeout, upstream_reset, "
      "upstream_invalid, rejected, "
      "deadline, shutdown or crashed";
  expect_each({{"[client_gone, §completed]",
                "`cleanup_on`: `completed` calls for no cleanup: nothing was cut short; expected " + names},
               {"§client_gon",
                "`cleanup_on`: found `client_gon`, expected " + names + "; did you mean `client_gone`?"},
               {"§[]", "`cleanup_on`: found an empty list, expected a list of outcomes"}},
              [](const std::string& text) {
                return with_route("upstream: app, on_disconnect: {cleanup: notify}, cleanup_on: " + text);
              });
  expect_problem(with_route("upstream: app, §cleanup_on: deadline"),
                 "`cleanup_on` without a cleanup to call: name it as `cleanup` in `on_disconnect`");
}

std::string with_routes(const std::string& routes) {
  return "listeners: [{address: \"127.0.0.1:0\"}]\nupstreams: {app: {servers: "
         "[\"http://127.0.0.1:9000\"]}}\nroutes:\n" +
         routes;
}

std::string two_routes(const std::string& first, const std::string& second) {
  return with_routes(" - {name: a, upstream: app, match: {" + first +
                     "}}\n - §{name: b, upstream: app, match: {" + second + "}}\n");
}

TEST(Warnings, OfARouteThatIsNeverReached) {
  for (const auto& [first, second] :
       std::vector<std::pair<std::string, std::string>>{{"", "path: /x"},
                                                        {"path: /a/*", "path: /a/b"},
                                                        {"path: /a/*", "path: /a"},
                                                        {"path: /a/*", "path: \"/a/{id}/*\""},
                                                        {"path: \"/{x}\"", "path: /a"},
                                                        {"path: \"/{x}/b\"", "path: \"/{y}/b\""},
                                                        {"path: /a:b", "path: /a%3Ab"},
                                                        {"methods: [GET, POST]", "methods: [GET]"},
                                                        {"host: \"*.x.com\"", "host: a.x.com"},
                                                        {"host: \"*.x.com\"", "host: \"*.A.X.com\""},
                                                        {"host: X.COM", "host: x.com."}}) {
    expect_warning(
        two_routes(first, second),
        "route `b` is never reached: `a` in line 4 takes all of its requests; put the narrower one first");
  }
  for (const auto& [first, second] :
       std::vector<std::pair<std::string, std::string>>{{"path: /x", ""},
                                                        {"path: /a/b", "path: /a/*"},
                                                        {"path: /a", "path: /a/*"},
                                                        {"path: \"/{x}\"", "path: /"},
                                                        {"path: /a", "path: \"/{x}\""},
                                                        {"methods: [GET]", ""},
                                                        {"methods: [GET]", "methods: [GET, POST]"},
                                                        {"host: a.x.com", "host: \"*.x.com\""},
                                                        {"host: \"*.x.com\"", "host: x.com"},
                                                        {"host: \"*.x.com\"", ""},
                                                        {"host: x.com", "host: y.com"}}) {
    std::string text = two_routes(first, second);
    text.erase(text.find("§"), std::string_view("§").size());
    EXPECT_THAT(warnings(text), IsEmpty()) << text;
  }
}

TEST(Warnings, OfANameThatNobodyHas) {
  const std::string route = "upstream: app, request: {set_header: {X-User: ";
  expect_warning(
      with_route(route + "\"§{auth.name}\"}}"),
      "{auth.name} never has a value without `auth`: take it out, or give it a default: {auth.name|none}");
  expect_warning(
      with_route(route + "\"§{client.subject}\"}}"),
      "{client.subject} never has a value without a listener that has `client_ca`: take it out, or give it a "
      "default: {client.subject|none}");
  EXPECT_THAT(warnings(with_route(route + "\"{auth.name|nobody}\"}}")), IsEmpty());
}

TEST(Warnings, OfALogFileWhoseNameIsNearlyASpecialOne) {
  expect_warning(with("log: {path: §Stderr}\n"),
                 "`path`: `Stderr` is a file where hangup is started; did you mean `stderr`?");
  expect_warning(with("access_log: {path: §stduot}\n"),
                 "`path`: `stduot` is a file where hangup is started; did you mean `stdout`?");
  EXPECT_THAT(warnings(with("log: {path: ./stduot}\n")), IsEmpty());
  EXPECT_THAT(warnings(with("log: {path: hangup.log}\n")), IsEmpty());
}

}  // namespace
}  // namespace hangup::config
