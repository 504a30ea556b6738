// What an exchange says about itself to templates.
#pragma once

#include "proxy/origin.h"

#include <span>
#include <string>

#include <hangup/base/outcome.h>
#include <hangup/config/template.h>
#include <hangup/downstream/client_stream.h>
#include <hangup/http/message.h>
#include <hangup/proxy/router.h>

namespace hangup::proxy {

class JsonCapture;

// Views into an exchange, for as long as a template is rendered. What is not known yet is null or empty.
struct ExchangeVariables final : config::VariableSource {
  std::string_view request_id;
  std::string_view trace_id;
  std::string_view trace_parent;
  const http::RequestHead* request = nullptr;
  const Captures* captures = nullptr;
  const downstream::ClientInfo* client = nullptr;
  std::span<const std::string> subject_headers;  // which only hangup writes: Config::client_subject_headers
  const Origin* origin = nullptr;
  std::string_view user;
  const http::ResponseHead* response = nullptr;
  int status = 0;
  const JsonCapture* request_json = nullptr;
  const JsonCapture* response_json = nullptr;
  std::string_view route;
  std::string_view server;
  std::string_view outcome;
  std::string_view phase;
  const Clock* clock = nullptr;

  std::optional<std::string_view> value(const config::VariableRef& ref, std::string& scratch) const override;
};

}  // namespace hangup::proxy
