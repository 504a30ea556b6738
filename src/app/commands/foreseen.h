// A request that somebody asks about, and what its exchange would say of itself.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hangup/app/commands.h>
#include <hangup/base/error.h>
#include <hangup/base/text.h>
#include <hangup/config/template.h>
#include <hangup/proxy/router.h>

namespace hangup::app::commands {

struct ForeseenRequest {
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

// The error says what is wrong with the command line.
Result<ForeseenRequest> take_apart(const ExplainRequest& asked);

// What can be said about an exchange before it happens. For anything else it gives a token that no escaping
// changes; show() puts <variable> in its place. The request and the match outlive it.
class Foreseen final : public config::VariableSource {
 public:
  Foreseen(const ForeseenRequest& request, const proxy::RouteMatch& match)
      : request_(request), match_(match) {}

  std::optional<std::string_view> value(const config::VariableRef& ref, std::string& scratch) const override;
  static std::string show(std::string rendered);

 private:
  std::optional<std::string_view> query_parameter(std::string_view name, std::string& scratch) const;

  const ForeseenRequest& request_;
  const proxy::RouteMatch& match_;
};

}  // namespace hangup::app::commands
