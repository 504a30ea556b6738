// What a request would meet, worked out with the router and the templates that would do it.
#include "app/commands/load.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include <hangup/app/commands.h>
#include <hangup/base/outcome.h>
#include <hangup/base/text.h>
#include <hangup/base/units.h>
#include <hangup/proxy/router.h>

namespace hangup::app::commands {
namespace {

// The request asked about, taken apart.
struct Request {
  std::string method;
  std::string host;  // with its port
  std::string path;
  std::string query;
  std::vector<std::pair<std::string, std::string>> headers;

  std::optional<std::string_view> header(std::string_view name) const {
    for (const auto& [n, value] : headers) {
      if (equals_ignoring_case(n, name)) return value;
    }
    return std::nullopt;
  }
};

Result<Request> take_apart(const ExplainRequest& asked) {
  Request request;
  request.method = asked.method;
  for (const std::string& line : asked.headers) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || colon == 0) {
      return std::unexpected(Error{fmt::format("the header \"{}\" is not of the form 'Name: value'", line)});
    }
    const std::size_t value = line.find_first_not_of(" \t", colon + 1);
    request.headers.emplace_back(line.substr(0, colon), value == std::string::npos ? "" : line.substr(value));
  }
  request.host = request.header("Host").value_or("");

  std::string_view rest = asked.url;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!rest.starts_with(scheme)) continue;
    rest.remove_prefix(scheme.size());
    const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
    request.host = rest.substr(0, end);
    rest.remove_prefix(end);
    if (!rest.starts_with('/')) request.path = "/";
    break;
  }
  if (request.path.empty() && !rest.starts_with('/')) {
    return std::unexpected(
        Error{fmt::format("the URL \"{}\" starts neither with http:// nor with /", asked.url)});
  }
  rest = rest.substr(0, rest.find('#'));
  const std::size_t question = rest.find('?');
  request.path += rest.substr(0, question);
  if (question != std::string_view::npos) request.query = rest.substr(question + 1);
  return request;
}

// What can be said about an exchange before it happens. For anything else it gives a token that no escaping
// changes; show() puts <variable> in its place.
class Foreseen final : public config::VariableSource {
 public:
  Foreseen(const Request& request, const proxy::RouteMatch& match) : request_(request), match_(match) {}

  std::optional<std::string_view> value(const config::VariableRef& ref, std::string& scratch) const override {
    using enum config::Variable;
    switch (ref.variable) {
      case request_method:
        return request_.method;
      case request_path:
        return request_.path;
      case request_query:
        return request_.query;
      case request_header:
        return request_.header(ref.name);
      case request_host:
        return request_.host;
      case route:
        return match_.route->name;
      case request_query_parameter:
        return query_parameter(ref.name, scratch);
      case path_capture:
        for (const auto& [name, captured] : match_.captures) {
          if (name == ref.name) return captured;
        }
        return std::nullopt;
      case upstream_server:
        if (match_.route->upstream->servers.size() == 1) return match_.route->upstream->servers.front().url;
        return unknown("upstream.server", scratch);
      case outcome:
        return to_string(Outcome::client_gone);
      case request_id:
        return unknown("request.id", scratch);
      case client_ip:
        return unknown("client.ip", scratch);
      case client_port:
        return unknown("client.port", scratch);
      case response_status:
        return unknown("response.status", scratch);
      case response_header:
        return unknown("response.header." + ref.name, scratch);
      case request_json:
        return unknown("request.json." + ref.name, scratch);
      case response_json:
        return unknown("response.json." + ref.name, scratch);
      case phase:
        return unknown("phase", scratch);
      case time:
        return unknown("time", scratch);
    }
    return std::nullopt;
  }

  static std::string show(std::string rendered) {
    for (auto [mark, shown] : {std::pair{opening, "<"}, std::pair{closing, ">"}}) {
      for (std::size_t at = 0; (at = rendered.find(mark, at)) != std::string::npos;)
        rendered.replace(at, mark.size(), shown);
    }
    return rendered;
  }

 private:
  static constexpr std::string_view opening = "~-unknown-";
  static constexpr std::string_view closing = "-unknown-~";

  static std::string_view unknown(std::string_view name, std::string& scratch) {
    scratch = fmt::format("{}{}{}", opening, name, closing);
    return scratch;
  }

  std::optional<std::string_view> query_parameter(std::string_view name, std::string& scratch) const {
    for (std::string_view rest = request_.query; !rest.empty();) {
      const std::string_view pair = rest.substr(0, rest.find('&'));
      rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
      if (pair.substr(0, pair.find('=')) != name) continue;
      scratch = pair.size() > name.size() ? pair.substr(name.size() + 1) : "";
      return scratch;
    }
    return std::nullopt;
  }

  const Request& request_;
  const proxy::RouteMatch& match_;
};

config::PathPattern any_path() {
  return {.text = "/*", .segments = {}, .prefix = true};
}

// The condition of `route` that the request does not meet, found by asking the router about one condition at
// a time.
std::string_view obstacle(const config::Config& config, const config::Route& route, const Request& request) {
  const auto fits = [&](auto relax) {
    auto alone = std::make_shared<config::Config>(config);
    alone->routes = {route};
    relax(alone->routes.front().match);
    return proxy::Router(alone).match(request.method, request.host, request.path).route != nullptr;
  };
  if (!fits([](config::Match& match) { match.path = any_path(), match.methods.clear(); })) return "host";
  if (!fits([](config::Match& match) { match.host.reset(), match.methods.clear(); })) return "path";
  return "method";
}

void explain_routes(const config::Config& config, const proxy::RouteMatch& match, const Request& request,
                    std::ostream& out) {
  out << "routes, in the order of the file\n";
  for (const config::Route& route : config.routes) {
    if (&route != match.route) {
      out << fmt::format("  {:<20} no: {}\n", route.name, obstacle(config, route, request));
      continue;
    }
    out << fmt::format("  {:<20} yes ({}:{})\n", route.name, config.file.string(), route.position.line);
    for (const auto& [name, value] : match.captures)
      out << fmt::format("  {:<20} {{path.{}}} = {}\n", "", name, value);
    return;
  }
  if (match.allowed_methods.empty()) {
    out << "\nno route: hangup answers 404 by itself\n";
  } else {
    out << fmt::format("\nno route for this method: hangup answers 405 by itself, with Allow: {}\n",
                       fmt::join(match.allowed_methods, ", "));
  }
}

void explain_upstream(const config::Upstream& upstream, std::ostream& out) {
  out << fmt::format("\nupstream {}", upstream.name);
  if (upstream.servers.size() > 1) {
    out << (upstream.balance == config::Balance::least_requests ? ", the server with the fewest requests of"
                                                                : ", each server in its turn of");
  }
  out << '\n';
  for (const config::Server& server : upstream.servers) out << "  " << server.url << '\n';
}

std::string abort_in_words(const config::OnDisconnect& policy) {
  if (policy.upstream == config::OnDisconnect::Upstream::finish) {
    return "the upstream's work goes on to its end, and its response is discarded";
  }
  if (policy.grace > Duration::zero()) {
    return fmt::format(
        "the exchange may go on for {}; if it is not done by then, the connection to the server is closed",
        format_duration(policy.grace));
  }
  return "the connection to the server is closed at once";
}

std::string_view half_close_in_words(config::OnDisconnect::HalfClose half_close) {
  switch (half_close) {
    case config::OnDisconnect::HalfClose::wait:
      return "wait: a client that closes its sending side is still there, until a reset or a failed write";
    case config::OnDisconnect::HalfClose::abort:
      return "abort: a client that closes its sending side is gone";
    case config::OnDisconnect::HalfClose::probe:
      return "probe: not in this release, does as abort: a client that closes its sending side is gone";
  }
  return "";
}

std::string outcomes_in_words(OutcomeSet outcomes) {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < outcome_names.size(); ++i) {
    if (outcomes.contains(static_cast<Outcome>(i))) names.push_back(outcome_names[i]);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

void explain_disconnect(const config::Route& route, std::ostream& out) {
  const config::OnDisconnect& policy = route.on_disconnect;
  std::vector<std::string_view> names;
  for (const auto& cleanup : policy.cleanups) names.push_back(cleanup->name);
  const std::string calls =
      names.empty() || !route.cleanup_on.contains(Outcome::client_gone) ? "no cleanup is called"
      : names.size() == 1 ? fmt::format("cleanup {} is called", names.front())
                          : fmt::format("cleanups {} are called", fmt::join(names, ", "));
  out << "\nwhen the client disconnects while the exchange is in phase\n"
      << "  reading_request, queued, connecting\n"
      << "      nothing was sent to a server: nothing to abort, no cleanup; logged with status 499\n"
      << "  sending_request, awaiting_response\n"
      << fmt::format("      {}; {}; logged with status 499\n", abort_in_words(policy), calls)
      << "  streaming_response\n"
      << fmt::format("      {}; {}; logged with the status that was sent\n", abort_in_words(policy), calls)
      << fmt::format("half_close\n      {}\n", half_close_in_words(policy.half_close));
}

void explain_cleanups(const config::Route& route, const Foreseen& source, std::ostream& out) {
  if (route.on_disconnect.cleanups.empty()) out << "\nno cleanup\n";
  for (const auto& cleanup : route.on_disconnect.cleanups) {
    out << fmt::format("\ncleanup {}, called for {}\n", cleanup->name, outcomes_in_words(route.cleanup_on));
    const auto url = cleanup->url.render(source, config::Place::url);
    if (url) {
      out << fmt::format("  {} {}\n", cleanup->method, Foreseen::show(*url));
    } else {
      out << fmt::format("  would be skipped for this request: {}\n", url.error());
    }
    out << fmt::format("  up to {} attempts of {} each\n", cleanup->retry.max_attempts,
                       format_duration(cleanup->timeout));
  }
}

}  // namespace

int explain(const ExplainRequest& asked, std::ostream& out, std::ostream& err) {
  const auto config = load_or_report(asked.config_file, err);
  if (!config) return exit_bad_configuration;
  const auto request = take_apart(asked);
  if (!request) {
    err << "hangup: " << request.error().message << '\n';
    return exit_usage;
  }
  const proxy::Router router(config);
  const proxy::RouteMatch match = router.match(request->method, request->host, request->path);
  out << fmt::format("{} {}{}\n\n", request->method, request->host, request->path);
  explain_routes(*config, match, *request, out);
  if (match.route == nullptr) return exit_ok;
  explain_upstream(*match.route->upstream, out);
  explain_disconnect(*match.route, out);
  explain_cleanups(*match.route, Foreseen(*request, match), out);
  return exit_ok;
}

}  // namespace hangup::app::commands
