// Answers each request with 204, for what tries a front end by itself.
#pragma once

#include <string_view>

#include <hangup/downstream/client_stream.h>

namespace hangup::downstream {

// Threading: belongs to its front end's thread.
class Answerer : public RequestSink, public StreamObserver {
 public:
  virtual ~Answerer() = default;

  void on_request(ClientStream& stream, http::RequestHead) override {
    stream.attach(*this);
    stream.send_head({.status = 204, .reason = {}, .fields = {}, .body = {}, .content_length = {}});
    stream.send_body({}, true);
  }
  void on_refused(ClientStream& stream, http::RequestHead, const Refusal&) override {
    stream.attach(*this);
    stream.cut();
  }
  void on_abandoned(const ClientInfo&, MonoTime) override {}
  void on_not_arrived(const ClientInfo&, const ArrivalFailure&) override {}

  void on_request_body(std::string_view, bool) override {}
  void on_request_invalid(const http::ParseError&) override {}
  void on_request_timeout() override {}
  void on_response_timeout() override {}
  void on_response_drained() override {}
  void on_finishing(bool) override {}
  void on_sent() override {}
  void on_half_close(MonoTime) override {}
  void on_gone(MonoTime) override {}
};

}  // namespace hangup::downstream
