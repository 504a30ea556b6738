// bench_transport: the CPU time that one keep-alive exchange with a server costs its client, by
// net::Transport and by libevent's bufferevents, in interleaved rounds. The reason why upstream connections
// are Transports.
#include "io.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include <hangup/net/event_loop.h>
#include <hangup/net/send_queue.h>
#include <hangup/net/transport.h>

namespace {

using hangup::net::EventLoop;
using hangup::net::IoResult;

double cpu_us() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto us = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return us(used.ru_utime) + us(used.ru_stime);
}

// How many exchanges are left, and how many bytes of a response.
struct Work {
  std::string request;
  std::size_t response_bytes = 0;
  std::uint64_t left = 0;
  std::size_t received = 0;

  // True when a response is whole.
  bool take(std::size_t bytes) {
    received += bytes;
    if (received < response_bytes) return false;
    received = 0;
    --left;
    return true;
  }
};

class ByTransport final : hangup::net::Transport::Handler {
 public:
  ByTransport(EventLoop& loop, int socket, Work& work)
      : loop_(loop), work_(work), transport_(loop, hangup::net::Fd(socket), *this) {
    queue_.write(transport_, work_.request);
  }

 private:
  void on_ready(hangup::net::Readiness) override {
    for (;;) {
      const IoResult result = transport_.read(loop_.read_buffer());
      if (result.status == IoResult::Status::would_block) return;
      if (result.status != IoResult::Status::ok) bench::die("the server closed");
      if (!work_.take(result.bytes)) continue;
      if (work_.left == 0) return loop_.stop();
      queue_.write(transport_, work_.request);
    }
  }

  EventLoop& loop_;
  Work& work_;
  hangup::net::Transport transport_;
  hangup::net::SendQueue queue_{loop_};
};

class ByBufferevent {
 public:
  ByBufferevent(EventLoop& loop, int socket, Work& work)
      : loop_(loop),
        work_(work),
        buffer_(bufferevent_socket_new(loop.base(), socket, BEV_OPT_CLOSE_ON_FREE)) {
    bufferevent_setcb(
        buffer_, [](bufferevent*, void* self) { static_cast<ByBufferevent*>(self)->on_data(); }, nullptr,
        [](bufferevent*, short, void*) { bench::die("the server closed"); }, this);
    bufferevent_enable(buffer_, EV_READ | EV_WRITE);
    bufferevent_write(buffer_, work_.request.data(), work_.request.size());
  }
  ~ByBufferevent() { bufferevent_free(buffer_); }
  ByBufferevent(const ByBufferevent&) = delete;

 private:
  void on_data() {
    evbuffer* input = bufferevent_get_input(buffer_);
    const std::size_t bytes = evbuffer_get_length(input);
    evbuffer_drain(input, bytes);
    if (!work_.take(bytes)) return;
    if (work_.left == 0) return loop_.stop();
    bufferevent_write(buffer_, work_.request.data(), work_.request.size());
  }

  EventLoop& loop_;
  Work& work_;
  bufferevent* buffer_;
};

// The size of one response, head included.
std::size_t response_bytes(std::uint16_t port, const std::string& request) {
  const int socket = bench::connect_to(port);
  bench::Epoll epoll;
  epoll.add(socket, EPOLLIN);
  if (::write(socket, request.data(), request.size()) < 0) bench::die_errno("write");
  std::string received;
  std::string piece(256 * 1024, '\0');
  std::size_t whole = 0;
  while (whole == 0 || received.size() < whole) {
    if (epoll.wait(std::chrono::seconds(5)).empty()) bench::die("the server does not answer");
    const ssize_t got = ::read(socket, piece.data(), piece.size());
    if (got <= 0) continue;
    received.append(piece, 0, static_cast<std::size_t>(got));
    const std::size_t head = received.find("\r\n\r\n");
    const std::size_t length = received.find("Content-Length: ");
    if (head == std::string::npos || length > head) continue;
    whole = head + 4 + std::strtoull(received.c_str() + length + 16, nullptr, 10);
  }
  ::close(socket);
  return whole;
}

template <typename Client>
double measure(std::uint16_t port, std::uint64_t exchanges, const std::string& request, std::size_t bytes) {
  Work work{.request = request, .response_bytes = bytes, .left = exchanges};
  EventLoop loop;
  const int socket = bench::connect_to(port);
  Client client(loop, socket, work);
  const double before = cpu_us();
  loop.run();
  return (cpu_us() - before) / static_cast<double>(exchanges);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) bench::die("usage: bench_transport UPSTREAM-PORT BODY-BYTES EXCHANGES ROUNDS");
  const auto port = static_cast<std::uint16_t>(bench::number(argv[1]));
  const std::string request = bench::get_request(std::string("/bytes/") + argv[2]);
  const std::uint64_t exchanges = bench::number(argv[3]);
  const std::size_t bytes = response_bytes(port, request);
  for (std::uint64_t round = bench::number(argv[4]); round > 0; --round) {
    const double transport = measure<ByTransport>(port, exchanges, request, bytes);
    const double bufferevent = measure<ByBufferevent>(port, exchanges, request, bytes);
    std::printf("response %zu bytes: Transport %.2f us, bufferevent %.2f us CPU per exchange, ratio %.2f\n",
                bytes, transport, bufferevent, transport / bufferevent);
  }
}
