#include "downstream/answerer.h"

#include <spdlog/logger.h>

#include <chrono>
#include <string>

#include <hangup/downstream/front_end.h>
#include <hangup/net/event_loop.h>
#include <hangup/net/socket.h>
#include <hangup/net/transport.h>

namespace hangup::downstream {
namespace {

constexpr auto patience = std::chrono::seconds(5);

// Sends two requests, one after the other's answer, so that evhttp's keeping alive is tried too.
class Asker final : net::Transport::Handler {
 public:
  Asker(net::EventLoop& loop, net::Fd socket) : loop_(loop), transport_(loop, std::move(socket), *this) {}
  bool answered() const { return answers_ == 2; }

 private:
  void on_ready(net::Readiness ready) override {
    if (ready.writable && !asked_) ask();
    char bytes[512];
    for (;;) {
      const net::IoResult result = transport_.read(bytes);
      if (result.status != net::IoResult::Status::ok) break;
      received_.append(bytes, result.bytes);
    }
    if (!received_.ends_with("\r\n\r\n")) return;
    if (received_.starts_with("HTTP/1.1 204 ")) ++answers_;
    received_.clear();
    if (answers_ == 1) return ask();
    loop_.stop();
  }
  void ask() {
    asked_ = true;
    std::string request = "GET / HTTP/1.1\r\nHost: self-test\r\n\r\n";
    const iovec piece{request.data(), request.size()};
    transport_.write({&piece, 1});
  }

  net::EventLoop& loop_;
  net::Transport transport_;
  std::string received_;
  bool asked_ = false;
  int answers_ = 0;
};

}  // namespace

Result<void> self_test() {
  net::EventLoop loop;
  Answerer answerer;
  const auto listener = std::make_shared<const config::Listener>();
  spdlog::logger no_log("none");
  SharedListener shared(*listener, listener->connections.max, no_log);
  auto listening = net::listen_on(*SocketAddress::parse("127.0.0.1:0"), {});
  if (!listening) return std::unexpected(listening.error());
  const auto address = net::local_address(*listening);
  if (!address) return std::unexpected(address.error());
  const auto front_end = make_front_end(loop, std::move(*listening), shared,
                                        {.listener = listener, .tls = nullptr, .sink = answerer});
  auto socket = net::start_connect(*address);
  if (!socket) return std::unexpected(socket.error());

  Asker asker(loop, std::move(*socket));
  const auto give_up = loop.make_timer([&] { loop.stop(); });
  give_up->set(loop.now() + patience);
  loop.run();
  if (!asker.answered()) {
    return std::unexpected(
        Error{"the libevent installed here does not let its HTTP server's sockets be taken over as hangup "
              "needs it; "
              "install libevent 2.1.12 as Debian 12 has it"});
  }
  return {};
}

}  // namespace hangup::downstream
