// hangup cleanup test: the receiver's side tried without a client that leaves.
#include "app/commands/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include <hangup/app/commands.h>
#include <hangup/base/request_id.h>
#include <hangup/base/text.h>
#include <hangup/base/utc.h>
#include <hangup/cleanup/cleanup.h>
#include <hangup/http/traceparent.h>

namespace hangup::app::commands {
namespace {

// An exchange that never was: every value says that it is a test.
class Sample final : public config::VariableSource {
 public:
  Sample(std::string_view request_id, std::string_view route, std::string_view server)
      : request_id_(request_id), route_(route), server_(server) {}

  std::optional<std::string_view> value(const config::VariableRef& ref, std::string& scratch) const override {
    using enum config::Variable;
    switch (ref.variable) {
      case request_id:
        return request_id_;
      case trace_id:
        return http::trace_id_of(trace);
      case trace_parent:
        return trace;
      case request_method:
        return "GET";
      case request_path:
        return "/test";
      case request_query:
        return std::nullopt;
      case client_ip:
        return "127.0.0.1";
      case client_port:
        return "1";
      case response_status:
        return std::nullopt;
      case route:
        return route_;
      case upstream_server:
        return server_;
      case phase:
        return "awaiting_response";
      case time:
        scratch = utc_seconds(SystemClock().wall());
        return scratch;
      default:
        return "test";
    }
  }

 private:
  // Of no trace that anybody records.
  static constexpr std::string_view trace = "00-00000000000000000000000000000001-0000000000000001-00";
  std::string_view request_id_;
  std::string_view route_;
  std::string_view server_;
};

const config::Cleanup* find_cleanup(const config::Config& config, const std::string& name,
                                    std::ostream& err) {
  std::vector<std::string_view> names;
  for (const auto& cleanup : config.cleanups) {
    if (cleanup->name == name) return cleanup.get();
    names.emplace_back(cleanup->name);
  }
  err << fmt::format("hangup: {} has no cleanup `{}`", config.file.string(), name);
  if (const auto near = nearest_name(name, names); !near.empty()) {
    err << fmt::format("; did you mean `{}`?", near);
  } else if (!names.empty()) {
    err << fmt::format("; there are: {}", fmt::join(names, ", "));
  }
  err << '\n';
  return nullptr;
}

// The first route that calls it.
const config::Route* find_route(const config::Config& config, const config::Cleanup& cleanup) {
  for (const config::Route& route : config.routes) {
    const auto is_it = [&](const auto& called) { return called.get() == &cleanup; };
    if (std::ranges::any_of(route.on_disconnect.cleanups, is_it)) return &route;
  }
  return nullptr;
}

// Where it would go to: one null for the cleanup's own url.
std::vector<const config::Server*> targets_of(const config::Cleanup& cleanup, const config::Route& route) {
  using enum config::Cleanup::To;
  if (cleanup.to == url) return {nullptr};
  const auto& servers = route.upstream->servers;
  if (cleanup.to == same_server) return {&servers.front()};
  std::vector<const config::Server*> all;
  for (const config::Server& server : servers) all.push_back(&server);
  return all;
}

// Whether it was acknowledged.
bool send(const cleanup::Delivery& delivery, const std::shared_ptr<const cleanup::Credentials>& credentials,
          std::ostream& out) {
  // The query may have secrets in it.
  out << fmt::format("{} {}{}\n", delivery.method, delivery.url.substr(0, delivery.url.find('?')),
                     delivery.socket.empty() ? "" : " over " + delivery.socket);
  out.flush();
  const cleanup::Tried tried = cleanup::try_once(delivery, credentials);
  const double took = std::chrono::duration<double, std::milli>(tried.took).count();
  if (tried.status == 0) {
    out << fmt::format("  failed after {:.1f} ms: {}\n", took, tried.error);
  } else {
    out << fmt::format("  status {} after {:.1f} ms: {}\n", tried.status, took,
                       tried.acknowledged ? "acknowledged" : "not acknowledged");
  }
  return tried.acknowledged;
}

}  // namespace

int test_cleanup(const std::filesystem::path& config_file, const std::string& name, std::ostream& out,
                 std::ostream& err) {
  const auto config = load_or_report(config_file, err);
  if (!config) return exit_bad_configuration;
  const config::Cleanup* cleanup = find_cleanup(*config, name, err);
  if (cleanup == nullptr) return exit_failed;
  const config::Route* route = find_route(*config, *cleanup);
  if (route == nullptr && cleanup->to != config::Cleanup::To::url) {
    err << fmt::format("hangup: no route calls cleanup `{}`, whose receiver is the route's upstream\n", name);
    return exit_failed;
  }
  const auto credentials = cleanup::load_credentials(*config);
  if (!credentials) {
    err << "hangup: " << credentials.error().message << '\n';
    return exit_failed;
  }
  const SystemClock clock;
  UuidGenerator ids(clock);
  bool all = true;
  for (const config::Server* server :
       targets_of(*cleanup, route == nullptr ? config->routes.front() : *route)) {
    const std::string id = ids.next();
    const Sample sample(id, route == nullptr ? "test" : std::string_view(route->name),
                        server == nullptr ? "test" : std::string_view(server->url));
    auto delivery = cleanup::render(*cleanup, {.server = server}, sample, id + "-0", id, clock.wall());
    if (!delivery) {
      err << fmt::format("hangup: cleanup `{}` can't be rendered with sample values: {}\n", name,
                         delivery.error());
      return exit_failed;
    }
    delivery->headers.emplace_back("X-Hangup-Test", "true");
    all = send(*delivery, *credentials, out) && all;
  }
  return all ? exit_ok : exit_failed;
}

}  // namespace hangup::app::commands
