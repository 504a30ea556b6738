// bench_disconnect: is both the client and the upstream of a proxy, so that one clock measures how long after
// a client's close the upstream sees its own connection closed. One at a time, with a number of other
// requests in flight.
#include "io.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <unordered_set>

namespace {

using namespace std::chrono_literals;

class Meter {
 public:
  Meter(std::uint16_t proxy, int listener) : proxy_(proxy), listener_(listener) {
    epoll_.add(listener, EPOLLIN);
  }

  // Sends a request that will not be answered; returns the client's socket when the upstream has it.
  int begin() {
    const int client = bench::connect_to(proxy_);
    if (::send(client, request_.data(), request_.size(), MSG_NOSIGNAL) < 0) bench::die_errno("send");
    const std::size_t arrived = arrived_;
    const auto deadline = bench::Clock::now() + 10s;
    while (arrived_ == arrived) turn(deadline, "a request did not reach the upstream within 10 s");
    return client;
  }

  bench::Clock::duration leave(int client) {
    const std::size_t closed = closed_;
    const auto start = bench::Clock::now();
    ::close(client);
    while (closed_ == closed) turn(start + 10s, "the upstream saw no close within 10 s");
    return bench::Clock::now() - start;
  }

 private:
  void turn(bench::Clock::time_point deadline, std::string_view complaint) {
    for (const epoll_event& event : epoll_.wait(1s)) {
      const int fd = event.data.fd;
      if (fd == listener_) {
        accept_all();
      } else if ((event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        ::close(fd);
        closed_ += with_request_.erase(fd);
      } else {
        read_request(fd);
      }
    }
    if (bench::Clock::now() > deadline) bench::die(complaint);
  }

  void accept_all() {
    for (int fd; (fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
      epoll_.add(fd, EPOLLIN | EPOLLRDHUP);
    }
  }

  // The proxy sends the head in one piece.
  void read_request(int fd) {
    std::array<char, 16 * 1024> buffer;
    if (::recv(fd, buffer.data(), buffer.size(), 0) <= 0) return;
    arrived_ += with_request_.insert(fd).second ? 1 : 0;
  }

  std::uint16_t proxy_;
  int listener_;
  bench::Epoll epoll_;
  std::string request_ = bench::get_request("/hold");
  std::unordered_set<int> with_request_;
  std::size_t arrived_ = 0;
  std::size_t closed_ = 0;
};

double percentile(const std::vector<double>& sorted, double share) {
  return sorted[std::min(sorted.size() - 1,
                         static_cast<std::size_t>(share * static_cast<double>(sorted.size())))];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) bench::die("usage: bench_disconnect PROXY-PORT UPSTREAM-PORT COUNT IN-FLIGHT");
  bench::raise_descriptor_limit(65536);
  Meter meter(static_cast<std::uint16_t>(bench::number(argv[1])),
              bench::listen_on(static_cast<std::uint16_t>(bench::number(argv[2]))));
  const auto count = bench::number(argv[3]);
  for (auto others = bench::number(argv[4]); others > 0; --others) meter.begin();
  std::vector<double> microseconds;
  microseconds.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    microseconds.push_back(std::chrono::duration<double, std::micro>(meter.leave(meter.begin())).count());
  }
  std::ranges::sort(microseconds);
  std::printf("%.0f %.0f %.0f\n", percentile(microseconds, 0.50), percentile(microseconds, 0.99),
              microseconds.back());
}
