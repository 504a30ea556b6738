// What a request would meet, worked out with the router and the templates that would do it.
#include "app/commands/foreseen.h"
#include "app/commands/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include <hangup/app/commands.h>
#include <hangup/base/network.h>
#include <hangup/base/outcome.h>
#include <hangup/base/text.h>
#include <hangup/base/units.h>
#include <hangup/config/path.h>
#include <hangup/http/message.h>
#include <hangup/http/secret_header.h>
#include <hangup/proxy/router.h>

namespace hangup::app::commands {
namespace {

config::PathPattern any_path() {
  return {.text = "/*", .segments = {}, .prefix = true};
}

// The condition of `route` that the request does not meet, found by asking the router about one condition at
// a time.
std::string_view obstacle(const config::Config& config, const config::Route& route,
                          const ForeseenRequest& request) {
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

void explain_routes(const config::Config& config, const proxy::RouteMatch& match,
                    const ForeseenRequest& request, std::ostream& out) {
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

std::string explain_balance(const config::Upstream& upstream) {
  switch (upstream.balance) {
    case config::Balance::round_robin:
      return "each server in its turn of";
    case config::Balance::least_requests:
      return "the server with the fewest requests of";
    case config::Balance::random_two:
      return "of two at random the server with fewer requests, of";
    case config::Balance::hash:
      break;
  }
  return fmt::format("the server that {} falls to, of", upstream.hash_key->as_written().text());
}

void explain_upstream(const config::Upstream& upstream, std::ostream& out) {
  out << fmt::format("\nupstream {}", upstream.name);
  if (upstream.servers.size() > 1) out << ", " << explain_balance(upstream);
  out << '\n';
  for (const config::Server& server : upstream.servers) {
    out << "  " << server.url;
    if (server.weight != 1) out << fmt::format(" (weight {})", server.weight);
    out << '\n';
  }
}

void explain_retries(const config::Upstream& upstream, std::string_view method, std::ostream& out) {
  const config::Retries& retries = upstream.retries;
  const auto usable = static_cast<std::size_t>(
      std::ranges::count_if(upstream.servers, [](const auto& each) { return each.weight > 0; }));
  const std::size_t most = std::min<std::size_t>(retries.attempts, usable - 1);
  if (usable == 1) {
    out << "\nwhen the server fails, there is no other to go on to\n";
    return;
  }
  if (most == 0) {
    out << "\nwhen a server fails, the request goes on to no other (retries.attempts is 0)\n";
    return;
  }
  out << fmt::format("\nwhen a server fails, the request goes on to {}\n",
                     most == 1 ? "another, once" : fmt::format("up to {} others, each once", most));
  if (retries.connect) out << "  connect: it can't be connected to\n";
  if (retries.reset_before_head)
    out << "  reset_before_head: it closed the connection before a byte of its answer\n";
  if (!retries.statuses.empty())
    out << fmt::format("  {}: it answered with that\n", fmt::join(retries.statuses, ", "));
  if (!retries.reset_before_head && retries.statuses.empty()) return;
  out << (http::is_idempotent(method)
              ? "  but not once some of the request's body was forwarded\n"
              : fmt::format("  but not once a byte of it was sent, since {} is not idempotent\n", method))
      << fmt::format(
             "  budget: {}% of the upstream's requests, and {} a second beside; connects don't count\n",
             retries.budget_percent, retries.min_per_second);
}

void explain_access(const config::Config& config, const config::Route& route, std::string_view path,
                    std::ostream& out) {
  const auto& allow = route.access.allow.list();
  const bool any_token = config.auth.has_value();
  if (config.has_access_rules() && !route.access.ambiguous_paths && config::is_ambiguous_path(path))
    out << "\nthe path can be read in more than one way: hangup answers 400 by itself\n";
  if (allow.empty() && !any_token) return;
  out << "\nlet in\n";
  if (allow.empty()) {
    out << "  any client address\n";
  } else {
    std::vector<std::string> names;
    for (const Network& network : allow) names.push_back(network.to_string());
    out << fmt::format("  clients of {}; others get 403\n", fmt::join(names, ", "));
  }
  if (!any_token) return;
  if (route.access.auth == config::Route::Access::Auth::none) {
    out << "  without a token (auth: none)\n";
  } else {
    out << fmt::format("  with one of {} bearer token{}; others get 401\n", config.auth->tokens.size(),
                       config.auth->tokens.size() == 1 ? "" : "s");
  }
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
      return "probe: a client that closes its sending side is probed; it is gone unless its kernel shows "
             "that it still reads";
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
                          : fmt::format("cleanups {} are called, in this order", fmt::join(names, ", "));
  out << "\nwhen the client disconnects while the exchange is in phase\n"
      << "  reading_request, queued, connecting\n"
      << "      nothing was sent to a server: nothing to abort, no cleanup; logged with status 499\n"
      << "  sending_request, awaiting_response\n"
      << fmt::format("      {}; {}; logged with status 499\n", abort_in_words(policy), calls)
      << "  streaming_response\n"
      << fmt::format("      {}; {}; logged with the status that was sent\n", abort_in_words(policy), calls)
      << fmt::format("half_close\n      {}\n", half_close_in_words(policy.half_close));
}

// A rendered value, or why there is none.
std::string shown_value(const config::Template& text, const Foreseen& source, config::Place place) {
  const auto rendered = text.as_written().render(source, place);
  return rendered ? Foreseen::show(*rendered)
                  : fmt::format("left out for this request: {}", rendered.error());
}

bool has_literal(const config::Template& text) {
  return std::ranges::any_of(text.segments(), [](const auto& segment) { return segment.index() == 0; });
}

// What is set in a JSON body: a string, but for one raw variable.
std::string shown_json(const config::Template& text, const Foreseen& source) {
  const auto rendered = text.as_written().render(source, config::Place::json);
  if (!rendered) return shown_value(text, source, config::Place::json);
  const auto* ref =
      text.segments().size() == 1 ? std::get_if<config::VariableRef>(&text.segments().front()) : nullptr;
  const bool is_string = ref == nullptr || !ref->raw;
  return fmt::format("{0}{1}{0}", is_string ? "\"" : "", Foreseen::show(*rendered));
}

void explain_planting(const config::RequestChanges& changes, const Foreseen& source, std::ostream& out) {
  if (changes.set.empty() && changes.set_query.empty() && changes.set_json.empty()) return;
  out << "\nplanted in the request\n";
  for (const auto& [name, value] : changes.set) {
    const bool is_hidden = http::names_a_secret(name) && has_literal(value);
    out << fmt::format("  header {}: {}\n", name,
                       is_hidden ? "(not shown)" : shown_value(value, source, config::Place::header));
  }
  for (const auto& [name, value] : changes.set_query)
    out << fmt::format("  query {}={}\n", name, shown_value(value, source, config::Place::url));
  for (const auto& [path, value] : changes.set_json)
    out << fmt::format("  JSON {}: {}\n", path, shown_json(value, source));
  if (!changes.set_json.empty()) {
    out << fmt::format(
        "      in a body of application/json that is an object, of up to {}; others stay as they are\n",
        format_bytes(changes.json_limit));
  }
}

std::string_view receiver_in_words(config::Cleanup::To to) {
  switch (to) {
    case config::Cleanup::To::url:
      return "";
    case config::Cleanup::To::same_server:
      return ", to the server that had the request (same_server)";
    case config::Cleanup::To::every_server:
      return ", to each server of the upstream (every_server)";
  }
  return "";
}

std::string signing_in_words(std::size_t keys) {
  return keys == 0   ? "not signed"
         : keys == 1 ? "signed with a secret"
                     : fmt::format("signed with {} secrets", keys);
}

void explain_cleanup(const config::Cleanup& cleanup, const Foreseen& source, std::ostream& out) {
  const auto url = cleanup.url.as_written().render(source, config::Place::url);
  if (url) {
    out << fmt::format("  {} {}{}\n", cleanup.method, Foreseen::show(*url), receiver_in_words(cleanup.to));
  } else {
    out << fmt::format("  would be skipped for this request: {}\n", url.error());
  }
  out << fmt::format("  {}\n", signing_in_words(cleanup.signing_keys.size()));
  if (!cleanup.ok_status.empty())
    out << fmt::format("  done with 2xx, {}\n", fmt::join(cleanup.ok_status, ", "));
  out << fmt::format("  {}, up to {} attempts of {} each, {}\n",
                     cleanup.delay > Duration::zero() ? "after " + format_duration(cleanup.delay) : "at once",
                     cleanup.retry.max_attempts, format_duration(cleanup.timeout),
                     cleanup.expire_after ? fmt::format("none later than {} after the end",
                                                        format_duration(*cleanup.expire_after))
                                          : "whenever they succeed: it never expires");
}

void explain_cleanups(const config::Route& route, const Foreseen& source, std::ostream& out) {
  const auto& cleanups = route.on_disconnect.cleanups;
  if (cleanups.empty()) out << "\nno cleanup\n";
  std::size_t turn = 0;
  for (const auto& cleanup : cleanups) {
    const std::string place =
        cleanups.size() == 1 ? std::string() : fmt::format(" ({} of {})", ++turn, cleanups.size());
    out << fmt::format("\ncleanup {}{}, called for {}\n", cleanup->name, place,
                       outcomes_in_words(route.cleanup_on));
    explain_cleanup(*cleanup, source, out);
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
  const Foreseen source(*request, match);
  explain_access(*config, *match.route, request->path, out);
  explain_upstream(*match.route->upstream, out);
  explain_retries(*match.route->upstream, request->method, out);
  explain_planting(match.route->request, source, out);
  explain_disconnect(*match.route, out);
  explain_cleanups(*match.route, source, out);
  return exit_ok;
}

}  // namespace hangup::app::commands
