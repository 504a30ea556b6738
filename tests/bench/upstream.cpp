// bench_upstream: a backend that costs next to nothing, so that what is measured is the proxy.
//   /bytes/N  answers with N bytes; /hold  never answers; /held  says how many /hold requests are open
#include "io.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <unordered_map>

namespace {

struct Connection {
  std::string in;
  std::string out;  // what the socket has not taken yet
  bool held = false;
};

class Upstream {
 public:
  explicit Upstream(int listener) : listener_(listener) { epoll_.add(listener, EPOLLIN); }

  [[noreturn]] void serve() {
    for (;;) {
      for (const epoll_event& event : epoll_.wait(std::chrono::hours(1))) {
        if (event.data.fd == listener_) {
          accept_all();
        } else {
          advance(event.data.fd, event.events);
        }
      }
    }
  }

 private:
  void accept_all() {
    for (int fd; (fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
      connections_.try_emplace(fd);
      epoll_.add(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    }
  }

  void advance(int fd, std::uint32_t events) {
    Connection& connection = connections_[fd];
    static std::array<char, 256 * 1024> buffer;
    ssize_t got = 0;
    while ((events & EPOLLIN) != 0 && (got = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0) {
      connection.in.append(buffer.data(), static_cast<std::size_t>(got));
      if (static_cast<std::size_t>(got) < buffer.size()) break;
    }
    for (std::size_t end; (end = connection.in.find("\r\n\r\n")) != std::string::npos;) {
      const std::size_t whole = end + 4 + body_length(connection.in, end);
      if (connection.in.size() < whole) break;
      const std::size_t path = connection.in.find(' ') + 1;
      answer(connection, connection.in.substr(path, connection.in.find(' ', path) - path));
      connection.in.erase(0, whole);
    }
    if (!connection.out.empty()) {
      const ssize_t sent = ::send(fd, connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
      if (sent > 0) connection.out.erase(0, static_cast<std::size_t>(sent));
    }
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
      if (connection.held) --held_;
      connections_.erase(fd);
      ::close(fd);
    }
  }

  static std::size_t body_length(const std::string& head, std::size_t end) {
    for (const std::string_view name : {"\r\nContent-Length: ", "\r\ncontent-length: "}) {
      const std::size_t at = head.find(name);
      if (at < end) return std::strtoull(head.c_str() + at + name.size(), nullptr, 10);
    }
    return 0;
  }

  void answer(Connection& connection, const std::string& path) {
    if (path == "/hold") {
      connection.held = true;
      ++held_;
      return;
    }
    const std::string body =
        path == "/held" ? std::to_string(held_)
                        : std::string(std::strtoull(path.c_str() + sizeof "/bytes", nullptr, 10), 'x');
    connection.out +=
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) +
        "\r\n\r\n" + body;
  }

  int listener_;
  bench::Epoll epoll_;
  std::unordered_map<int, Connection> connections_;
  std::size_t held_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) bench::die("usage: bench_upstream PORT");
  bench::raise_descriptor_limit(65536);
  Upstream(bench::listen_on(static_cast<std::uint16_t>(bench::number(argv[1])))).serve();
}
