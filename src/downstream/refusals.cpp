#include "downstream/refusals.h"

#include <sys/socket.h>

#include <array>
#include <chrono>
#include <string>
#include <utility>

#include <hangup/http/message.h>
#include <hangup/net/transport.h>

namespace hangup::downstream {
namespace {

constexpr auto refusal_time = std::chrono::seconds(2);
// Reads for one refused connection, in one turn of the loop and in all.
constexpr int refusal_reads_per_turn = 4;
constexpr int most_refusal_reads = 64;

std::string refusal_text(std::string_view why) {
  std::string body("503 ");
  body.append(http::reason_phrase(503)).append("\n").append(why).append("\n");
  const std::string length = std::to_string(body.size());
  const std::array<http::Field, 4> fields = {{{"Content-Type", "text/plain; charset=utf-8"},
                                              {"Retry-After", "1"},
                                              {"Content-Length", length},
                                              {"Connection", "close"}}};
  std::string text;
  http::append_response_start(text, 503, {}, fields);
  return text.append("\r\n").append(body);
}

}  // namespace

// Has been answered and waits for the client to close.
class Refusals::Connection final : net::Transport::Handler {
 public:
  Connection(Refusals& owner, net::Fd socket)
      : owner_(owner),
        transport_(owner.loop_, std::move(socket), *this),
        timer_(owner.loop_.make_timer([this] { end(); })) {
    timer_->set(owner.loop_.now() + refusal_time);
  }

  std::list<std::unique_ptr<Connection>>::iterator self;

 private:
  void on_ready(net::Readiness) override {
    if (ended_) return;
    for (int i = 0; i < refusal_reads_per_turn; ++i) {
      const net::IoResult result = transport_.read(owner_.loop_.read_buffer());
      if (result.status == net::IoResult::Status::would_block) return;
      if (result.status != net::IoResult::Status::ok || ++reads_ == most_refusal_reads) return end();
    }
    transport_.poke();
  }

  // Once: the client may close in the very turn of the loop in which its time is up.
  void end() {
    if (std::exchange(ended_, true)) return;
    timer_->cancel();
    transport_.close();
    owner_.remove(self);
  }

  Refusals& owner_;
  net::Transport transport_;
  std::unique_ptr<Timer> timer_;
  int reads_ = 0;
  bool ended_ = false;  // waits to be destroyed, which its own functions can't do
};

Refusals::Refusals(net::EventLoop& loop, ConnectionLimits& limits) : loop_(loop), limits_(limits) {}

Refusals::~Refusals() {
  for (std::size_t i = 0; i < connections_.size(); ++i) limits_.end_refusal();
}

void Refusals::refuse(std::unique_ptr<EvhttpSeat> seat, net::Fd socket, std::string_view why) {
  const std::string text = refusal_text(why);
  // Whole: nothing was written before. A client that has gone needs no answer.
  [[maybe_unused]] const ssize_t sent = ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL);
  seat.reset();
  ::shutdown(socket.get(), SHUT_WR);
  if (!limits_.begin_refusal()) {
    const std::span<char> buffer = loop_.read_buffer();
    [[maybe_unused]] const ssize_t read = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
    return;
  }
  connections_.push_front(std::make_unique<Connection>(*this, std::move(socket)));
  connections_.front()->self = connections_.begin();
}

void Refusals::remove(std::list<std::unique_ptr<Connection>>::iterator connection) {
  loop_.defer([gone = std::move(*connection)] {});
  connections_.erase(connection);
  limits_.end_refusal();
}

}  // namespace hangup::downstream
