// bench_disconnect: is the client and the upstream of a proxy at once, and the receiver of its cleanups, so
// that one clock measures how long after a client's close the upstream sees its own connection closed, or the
// cleanup arrives. One at a time, with a number of other requests in flight; or, with a COUNT of `storm`, all
// of those in flight at once, until the last close, and until the last cleanup has come, which was committed
// before.
#include "io.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <unordered_map>
#include <unordered_set>

namespace {

using namespace std::chrono_literals;

class Meter {
 public:
  Meter(std::uint16_t proxy, int listener, std::optional<int> receiver)
      : proxy_(proxy), listener_(listener), receiver_(receiver) {
    epoll_.add(listener, EPOLLIN);
    if (receiver) epoll_.add(*receiver, EPOLLIN);
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

  // Until the upstream's connection closes, or, with a receiver, until the cleanup has come.
  bench::Clock::duration leave(int client) {
    const std::size_t closed = closed_;
    const std::size_t called = called_;
    const auto start = bench::Clock::now();
    ::close(client);
    while (closed_ == closed) turn(start + 10s, "the upstream saw no close within 10 s");
    while (receiver_ && called_ == called) turn(start + 10s, "no cleanup came within 10 s");
    return bench::Clock::now() - start;
  }

  // Milliseconds until the last of each.
  std::pair<double, double> storm(std::size_t count) {
    std::vector<int> clients;
    for (std::size_t i = 0; i < count; ++i) clients.push_back(begin());
    const std::size_t closed = closed_ + count;
    const std::size_t called = called_ + count;
    const auto start = bench::Clock::now();
    const auto since = [start] {
      return std::chrono::duration<double, std::milli>(bench::Clock::now() - start).count();
    };
    for (const int client : clients) ::close(client);
    double last_close = 0;
    while (closed_ < closed || (receiver_ && called_ < called)) {
      turn(start + 120s, "not all was seen within 120 s");
      if (closed_ >= closed && last_close == 0) last_close = since();
    }
    return {last_close, since()};
  }

 private:
  void turn(bench::Clock::time_point deadline, std::string_view complaint) {
    for (const epoll_event& event : epoll_.wait(1s)) {
      const int fd = event.data.fd;
      if (fd == listener_ || fd == receiver_) {
        accept_all(fd);
      } else if ((event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        ::close(fd);
        closed_ += with_request_.erase(fd);
        calls_.erase(fd);
      } else if (const auto call = calls_.find(fd); call != calls_.end()) {
        read_call(fd, call->second);
      } else {
        read_request(fd);
      }
    }
    if (bench::Clock::now() > deadline) bench::die(complaint);
  }

  void accept_all(int listener) {
    for (int fd; (fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
      epoll_.add(fd, EPOLLIN | EPOLLRDHUP);
      if (listener == receiver_) calls_.try_emplace(fd);
    }
  }

  // Answers each whole request of a connection of the receiver.
  void read_call(int fd, std::string& unread) {
    constexpr std::string_view length = "Content-Length: ";
    constexpr std::string_view answer = "HTTP/1.1 204 No Content\r\n\r\n";
    std::array<char, 16 * 1024> buffer;
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got > 0) unread.append(buffer.data(), static_cast<std::size_t>(got));
    for (std::size_t end; (end = unread.find("\r\n\r\n")) != std::string::npos;) {
      const std::size_t field = unread.find(length);
      const std::size_t body =
          field < end ? std::strtoull(unread.c_str() + field + length.size(), nullptr, 10) : 0;
      if (unread.size() < end + 4 + body) return;
      unread.erase(0, end + 4 + body);
      ++called_;
      if (::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) bench::die_errno("send");
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
  std::optional<int> receiver_;
  bench::Epoll epoll_;
  std::string request_ = bench::get_request("/hold");
  std::unordered_set<int> with_request_;
  std::unordered_map<int, std::string> calls_;  // the receiver's connections, and what came on each
  std::size_t arrived_ = 0;
  std::size_t closed_ = 0;
  std::size_t called_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5 && argc != 6)
    bench::die("usage: bench_disconnect PROXY-PORT UPSTREAM-PORT COUNT|storm IN-FLIGHT [RECEIVER-PORT]");
  bench::raise_descriptor_limit(65536);
  const auto port = [&](int index) { return static_cast<std::uint16_t>(bench::number(argv[index])); };
  Meter meter(port(1), bench::listen_on(port(2)),
              argc == 6 ? std::optional(bench::listen_on(port(5))) : std::nullopt);
  if (std::string_view(argv[3]) == "storm") {
    const auto [last_close, last_call] = meter.storm(bench::number(argv[4]));
    std::printf("%.0f %.0f\n", last_close, last_call);
    return 0;
  }
  const auto count = bench::number(argv[3]);
  for (auto others = bench::number(argv[4]); others > 0; --others) meter.begin();
  std::vector<double> microseconds;
  microseconds.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    microseconds.push_back(std::chrono::duration<double, std::micro>(meter.leave(meter.begin())).count());
  }
  std::ranges::sort(microseconds);
  std::printf("%.0f %.0f %.0f\n", bench::percentile(microseconds, 0.50),
              bench::percentile(microseconds, 0.99), microseconds.back());
}
