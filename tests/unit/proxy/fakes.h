// The two sides of an exchange, played by the test.
#pragma once

#include <algorithm>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <hangup/cleanup/cleanup.h>
#include <hangup/downstream/client_stream.h>
#include <hangup/upstream/upstream.h>

namespace hangup::test {

// A client whose socket takes `room` more bytes of body at once.
class FakeClient final : public downstream::ClientStream {
 public:
  explicit FakeClient(MonoTime started) : started_(started) { info.ip = "192.0.2.7", info.port = 4711; }

  downstream::ClientInfo info;
  mutable std::shared_ptr<const downstream::ClientInfo>
      shared_info;  // of what `info` was when it was asked for
  downstream::StreamObserver* observer = nullptr;
  bool fin = false;
  bool paused = true;
  std::size_t room = SIZE_MAX;
  bool holds_back = false;  // the last of a response, until drain(), as a front end does with what is small
  std::vector<int> interims;
  int status = 0;
  std::vector<std::pair<std::string, std::string>> fields;
  http::Framing framing;
  std::string body;
  std::vector<std::string> trailer_names;
  std::size_t unsent = 0;
  bool last = false;
  bool was_cut = false;
  bool can_probe = false;
  int probes = 0;
  int leading_zeros = 0;

  std::string field(std::string_view name) const {
    for (const auto& [key, value] : fields) {
      if (key == name) return value;
    }
    return {};
  }
  // The socket takes what was waiting.
  void drain() {
    unsent = 0;
    room = SIZE_MAX;
    if (last) {
      observer->on_finishing(true);
      observer->on_sent();
    } else {
      observer->on_response_drained();
    }
  }

  const std::shared_ptr<const downstream::ClientInfo>& client() const override {
    return shared_info = std::make_shared<const downstream::ClientInfo>(info);
  }
  MonoTime started() const override { return started_; }
  void attach(downstream::StreamObserver& to) override { observer = &to; }
  void pause_request(bool pause) override { paused = pause; }
  const http::Fields& trailers() const override { return request_trailers; }
  bool half_closed() const override { return fin; }
  bool probe() override {
    ++probes;
    return can_probe;
  }
  void send_leading_zero() override { ++leading_zeros; }
  void send_interim(int interim, std::span<const http::Field>) override { interims.push_back(interim); }
  void send_head(const downstream::ResponseStart& start) override {
    status = start.status;
    framing = start.body;
    for (const http::Field& each : start.fields) fields.emplace_back(each.name, each.value);
  }
  bool send_body(std::string_view data, bool is_last, std::span<const http::Field> sent_trailers) override {
    body += data;
    last = is_last;
    for (const http::Field& each : sent_trailers) trailer_names.emplace_back(each.name);
    if (is_last && holds_back) return false;
    if (is_last) observer->on_finishing(true);
    if (data.size() <= room && unsent == 0) return true;
    const std::size_t taken = std::min(room, data.size());
    unsent += data.size() - taken;
    room -= taken;
    if (is_last) observer->on_finishing(false);
    return false;
  }
  std::uint64_t cut() override {
    was_cut = true;
    return body_bytes_sent();
  }
  std::uint64_t body_bytes_sent() const override { return body.size() - unsent; }

  http::Fields request_trailers;

 private:
  MonoTime started_;
};

// What happened to one request to a server.
struct FakeRequestState {
  upstream::ServerObserver* observer = nullptr;
  bool fresh = false;
  std::string balance_key;
  bool started = false;
  bool head_sent = false;
  std::uint64_t acknowledged = 0;
  std::string method;
  std::string target;
  std::vector<std::pair<std::string, std::string>> fields;
  http::Framing framing;
  std::string body;
  std::vector<std::pair<std::string, std::string>> trailers;
  bool last = false;
  bool takes_body = true;
  bool paused = false;
  bool head_overdue = false;
  bool aborted = false;
  bool gave_up_connecting = false;
  bool there_are_others = false;  // that may get it
  std::vector<std::pair<upstream::RetryCause, int>> retries_asked_for;

  std::string field(std::string_view name) const {
    for (const auto& [key, value] : fields) {
      if (key == name) return value;
    }
    return {};
  }
  std::size_t count(std::string_view name) const {
    std::size_t n = 0;
    for (const auto& [key, value] : fields) n += key == name;
    return n;
  }
};

class FakeUpstream final : public upstream::Upstream {
 public:
  explicit FakeUpstream(std::shared_ptr<const config::Upstream> config) : config_(std::move(config)) {}

  // All that were asked for, the last one last.
  std::vector<std::shared_ptr<FakeRequestState>> requests;
  FakeRequestState& request() { return *requests.back(); }
  upstream::ServerObserver& observer() { return *requests.back()->observer; }

  const config::Upstream& config() const override { return *config_; }
  std::span<const AddressList> addresses() override { return {}; }
  std::unique_ptr<upstream::ServerRequest> request(upstream::ServerObserver& observer, upstream::Tries&,
                                                   const upstream::RequestOptions& options) override {
    auto state = std::make_shared<FakeRequestState>();
    state->observer = &observer;
    state->method = options.method;
    state->fresh = options.fresh;
    state->balance_key = options.key;
    requests.push_back(state);
    return std::make_unique<Request>(std::move(state));
  }

 private:
  class Request final : public upstream::ServerRequest {
   public:
    explicit Request(std::shared_ptr<FakeRequestState> state) : state_(std::move(state)) {}
    void start() override { state_->started = true; }
    void give_up_connecting() override { state_->gave_up_connecting = true; }
    void send_head(const upstream::OutgoingRequest& request) override {
      state_->head_sent = true;
      state_->target = request.target;
      state_->framing = request.body;
      for (const http::Field& each : request.fields) state_->fields.emplace_back(each.name, each.value);
    }
    bool send_body(std::string_view data, bool last, std::span<const http::Field> trailers) override {
      state_->body += data;
      state_->last = last;
      for (const http::Field& each : trailers) state_->trailers.emplace_back(each.name, each.value);
      return state_->takes_body;
    }
    void pause_response(bool paused) override { state_->paused = paused; }
    bool may_retry(upstream::RetryCause cause, int status) override {
      state_->retries_asked_for.emplace_back(cause, status);
      return state_->there_are_others;
    }
    void head_is_overdue() override { state_->head_overdue = true; }
    void abort() override { state_->aborted = true; }
    bool sent_anything() const override { return state_->head_sent; }
    std::uint64_t acknowledged() const override { return state_->acknowledged; }
    std::shared_ptr<const SocketAddress> address() const override { return nullptr; }

   private:
    std::shared_ptr<FakeRequestState> state_;
  };

  std::shared_ptr<const config::Upstream> config_;
};

class FakeOutbox final : public cleanup::Outbox {
 public:
  std::vector<cleanup::Delivery> deliveries;
  void add(std::vector<cleanup::Delivery> added) override {
    std::ranges::move(added, std::back_inserter(deliveries));
  }
  cleanup::Counts counts() const override { return {}; }
  bool drain(Duration) override { return true; }
  void use(std::shared_ptr<const cleanup::Credentials>) override {}
};

// Writes down what it is told, "enter", "phase awaiting_response", ...
class FakeJournal final : public cleanup::InFlightJournal {
 public:
  bool full = false;
  std::vector<std::string> told;
  std::vector<std::string> snapshots;
  std::function<void()> on_leave = [] {};
  std::function<void()> on_replace = [] {};

  Entry enter(std::string_view snapshot) override {
    told.emplace_back("enter");
    snapshots.emplace_back(snapshot);
    return full ? none : entry_;
  }
  Entry replace(Entry entry, std::string_view snapshot) override {
    on_replace();
    tell(entry, "replace");
    snapshots.emplace_back(snapshot);
    return ++entry_;
  }
  void set_phase(Entry entry, Phase phase) override { tell(entry, "phase " + std::string(to_string(phase))); }
  void set_finishing(Entry entry, bool finishing) override {
    tell(entry, finishing ? "finishing" : "not finishing");
  }
  void leave(Entry entry) override {
    tell(entry, "leave");
    on_leave();
  }

 private:
  void tell(Entry entry, std::string what) {
    told.push_back(entry == entry_ ? std::move(what) : "an entry that is not there");
  }
  Entry entry_ = 41;
};

}  // namespace hangup::test
