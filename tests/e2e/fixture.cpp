#include "e2e/fixture.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <thread>

namespace hangup::test {
namespace {

std::string and_also(const std::string& members) {
  return members.empty() ? members : ", " + members;
}

}  // namespace

std::string EndToEnd::configuration(const Yaml& yaml) const {
  const std::string servers = yaml.servers.empty() ? '"' + upstream.url() + '"' : yaml.servers;
  const std::string cleanup_url = yaml.cleanup_url.empty() ? receiver.url() : yaml.cleanup_url;
  return fmt::format(
      R"(workers: {}
listeners:
  - {{name: public, address: "{}"{}}}
upstreams:
  app: {{servers: [{}]{}}}
routes:
  - {{name: all, match: {{{}}}, upstream: app, on_disconnect: {{{}}}{}}}
cleanups:
  stop: {{url: "{}"{}}}
shutdown: {{drain: {}}}
)",
      yaml.workers, yaml.address, and_also(yaml.listener), servers, and_also(yaml.upstream), yaml.match,
      yaml.on_disconnect, and_also(yaml.route), cleanup_url, and_also(yaml.cleanup), yaml.drain);
}

Hangup& EndToEnd::start(const Yaml& yaml) {
  hangup = std::make_unique<Hangup>(configuration(yaml));
  return *hangup;
}

void EndToEnd::drain() {
  if (!std::exchange(drained_, true)) hangup->stop();
}

Json EndToEnd::only_exchange() {
  drain();
  const auto exchanges = hangup->access_log("exchange");
  if (exchanges.size() != 1) throw std::runtime_error(fmt::format("{} exchanges logged", exchanges.size()));
  return exchanges.front();
}

Json EndToEnd::only_exchange(std::string_view path) {
  drain();
  auto exchanges = hangup->access_log("exchange");
  std::erase_if(exchanges, [&](const Json& line) { return line.at("path") != path; });
  if (exchanges.size() != 1) {
    throw std::runtime_error(fmt::format("{} exchanges logged for {}", exchanges.size(), path));
  }
  return exchanges.front();
}

Call EndToEnd::only_call(const Json& exchange) const {
  EXPECT_TRUE(drained_) << "more calls may follow";
  const auto calls = receiver.calls();
  if (calls.size() != 1) throw std::runtime_error(fmt::format("{} webhook calls", calls.size()));
  EXPECT_EQ(exchange.at("cleanup"), Json::array({calls.front().webhook_id()}));
  if (!calls.front().body.is_null()) {
    EXPECT_EQ(calls.front().body.at("data").at("request_id"), exchange.at("request_id"));
  }
  return calls.front();
}

void EndToEnd::expect_no_call(const Json& exchange) const {
  EXPECT_TRUE(drained_) << "calls may follow";
  EXPECT_TRUE(receiver.calls().empty());
  EXPECT_FALSE(exchange.at("cleanup").is_array()) << exchange;
}

void expect_end(const Json& exchange, std::string_view outcome, std::string_view phase, int status) {
  const Json expected{{"outcome", outcome}, {"phase", phase}, {"status", status}};
  const Json found{{"outcome", exchange.at("outcome")},
                   {"phase", exchange.at("phase")},
                   {"status", exchange.at("status")}};
  EXPECT_EQ(found, expected) << exchange;
}

void wait_until_blocked(const MockUpstream& server, const RequestRecord& request) {
  std::uint64_t before = 0;
  eventually("a full pipe", [&] {
    const std::uint64_t sent = server.connections().at(request.connection).sent;
    if (sent != 0 && sent == before) return true;
    before = sent;
    std::this_thread::sleep_for(50ms);
    return false;
  });
}

}  // namespace hangup::test
