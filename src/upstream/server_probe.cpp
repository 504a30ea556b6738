#include "upstream/server_probe.h"

#include <array>
#include <string>
#include <utility>

#include <hangup/net/socket.h>

namespace hangup::upstream {
namespace {

using Verdict = CheckResult::Verdict;

// Of a response's body, which is read so that the server can end it in peace.
constexpr std::size_t most_body = 64 * 1024;

class ServerProbe final : public Probe, public Http1Connection::Owner, public Http1Connection::User {
 public:
  ServerProbe(net::EventLoop& loop, const ProbeTarget& target, HealthChecker::Done done)
      : loop_(loop), check_(*target.upstream.health), host_(host_of(target)), done_(std::move(done)) {
    auto socket = net::start_connect(target.address);
    if (!socket) {
      failed_ = {.verdict = socket.error().ours ? Verdict::not_made : Verdict::failed,
                 .reason = std::move(socket.error().message)};
      loop_.defer([this, alive = std::weak_ptr(alive_)] {
        if (!alive.expired()) say(std::move(failed_));
      });
      return;
    }
    connection_ = std::make_unique<Http1Connection>(
        *this, 0, std::move(*socket), target.peer, static_cast<Http1Connection::User&>(*this), check_.method);
  }
  ~ServerProbe() override {
    if (connection_) connection_->abort();
  }
  ServerProbe(const ServerProbe&) = delete;
  ServerProbe& operator=(const ServerProbe&) = delete;

 private:
  static std::string host_of(const ProbeTarget& target) {
    const auto& host = target.upstream.health->host;
    if (!host.empty()) return host;
    const bool literal = target.upstream.host_policy == config::Upstream::HostPolicy::literal;
    return literal ? target.upstream.host : target.server.authority;
  }

  // May be followed by our end.
  void say(CheckResult result) {
    if (const auto done = std::exchange(done_, nullptr)) done(std::move(result));
  }

  net::EventLoop& loop() override { return loop_; }
  void on_reusable(Http1Connection& connection) override { connection.close(); }
  void on_closed(Http1Connection&) override {
    loop_.defer([gone = std::move(connection_)] {});
  }

  void on_connected() override {
    if (check_.path.empty()) {
      connection_->close();
      return say({.verdict = Verdict::passed, .reason = {}});
    }
    const std::array<http::Field, 3> fields = {
        {{"Host", host_}, {"User-Agent", "hangup"}, {"Connection", "close"}}};
    connection_->send_head(
        {.method = check_.method, .target = check_.path, .fields = fields, .body = http::Framing::no_body()});
  }
  void on_connect_failed(std::string reason) override {
    say({.verdict = Verdict::failed, .reason = "cannot connect: " + std::move(reason)});
  }
  void on_request_drained() override {}
  void on_interim(const http::ResponseHead&) override {}
  void on_response_head(http::ResponseHead head) override {
    if (check_.passes(head.status)) return say({.verdict = Verdict::passed, .reason = {}});
    say({.verdict = Verdict::failed, .reason = "status " + std::to_string(head.status)});
  }
  void on_response_body(std::string_view data, bool last, const http::Fields&) override {
    body_ += data.size();
    if (!last && body_ > most_body && connection_) connection_->abort();
  }
  void on_connection_failed(Failure failure) override {
    say({.verdict = Verdict::failed, .reason = std::move(failure.message)});
  }

  net::EventLoop& loop_;
  const config::HealthCheck& check_;
  const std::string host_;
  HealthChecker::Done done_;
  std::unique_ptr<Http1Connection> connection_;
  CheckResult failed_;
  std::size_t body_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace

std::unique_ptr<Probe> start_probe(net::EventLoop& loop, const ProbeTarget& target,
                                   HealthChecker::Done done) {
  return std::make_unique<ServerProbe>(loop, target, std::move(done));
}

}  // namespace hangup::upstream
