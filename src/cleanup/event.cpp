#include "cleanup/event.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include <hangup/base/text.h>

namespace hangup::cleanup {
namespace {

using config::Variable;
using Json = nlohmann::ordered_json;

// What the exchange says of itself, as strings; empty is the same as nothing.
class Facts {
 public:
  explicit Facts(const config::VariableSource& source) : source_(source) {}

  std::string operator[](Variable variable) const {
    std::string scratch;
    const config::VariableRef ref{.variable = variable, .name = {}, .fallback = std::nullopt, .raw = false};
    return std::string(source_.value(ref, scratch).value_or(std::string_view()));
  }

 private:
  const config::VariableSource& source_;
};

void set(Json& object, const char* name, std::string value) {
  if (!value.empty()) object[name] = std::move(value);
}

std::string route_reference(const std::string& route) {
  std::string reference = "/hangup";
  if (!route.empty()) {
    reference += "/routes/";
    append_percent_encoded(reference, route);
  }
  return reference;
}

std::string client_of(const Facts& facts) {
  std::string client = facts[Variable::client_ip];
  if (client.find(':') != std::string::npos) client = '[' + client + ']';
  const std::string port = facts[Variable::client_port];
  if (!port.empty() && port != "0") client += ':' + port;
  return client;
}

Json data_of(const Facts& facts, std::string_view request_id) {
  Json data = Json::object();
  set(data, "request_id", std::string(request_id));
  set(data, "outcome", facts[Variable::outcome]);
  set(data, "phase", facts[Variable::phase]);
  set(data, "route", facts[Variable::route]);
  set(data, "method", facts[Variable::request_method]);
  set(data, "host", facts[Variable::request_host]);
  set(data, "path", facts[Variable::request_path]);
  set(data, "query", facts[Variable::request_query]);
  set(data, "client", client_of(facts));
  set(data, "upstream", facts[Variable::upstream_server]);
  const std::string status = facts[Variable::response_status];
  int number = 0;
  const auto [end, error] = std::from_chars(status.data(), status.data() + status.size(), number);
  if (error == std::errc() && end == status.data() + status.size()) data["status"] = number;
  return data;
}

}  // namespace

std::string make_event(const config::VariableSource& source, std::string_view id,
                       std::string_view request_id) {
  const Facts facts(source);
  Json event;
  event["specversion"] = "1.0";
  event["id"] = id;
  event["source"] = route_reference(facts[Variable::route]);
  event["type"] = "dev.hangup.exchange." + facts[Variable::outcome];
  set(event, "time", facts[Variable::time]);
  set(event, "subject", std::string(request_id));
  event["datacontenttype"] = "application/json";
  event["data"] = data_of(facts, request_id);
  // What is not UTF-8 becomes U+FFFD: a client can send any bytes.
  return event.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace hangup::cleanup
