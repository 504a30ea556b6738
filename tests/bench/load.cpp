// bench_load: connections that each send the next request when the answer is there, or, with --close, make
// way for a new one. Prints the CPU microseconds that the given processes used per request, the requests per
// second, and the median and the 99th percentile of the microseconds from a request (with --close: from its
// connect) to its answer.
#include "io.h"

#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <unordered_map>

namespace {

struct Plan {
  std::uint16_t port = 0;
  std::string request;
  std::size_t requests = 0;
  std::size_t connections = 0;
  bool close = false;  // a connection for each request
  bool tls = false;
};

struct Free {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

// One client.
class Connection {
 public:
  Connection(std::uint16_t port, SSL_CTX* context) : fd_(bench::connect_to(port)) {
    if (context == nullptr) return;
    ssl_.reset(SSL_new(context));
    SSL_set_fd(ssl_.get(), fd_);
    SSL_set_connect_state(ssl_.get());
  }
  ~Connection() { ::close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }
  // False until it is.
  bool connected() {
    if (ssl_ == nullptr || SSL_is_init_finished(ssl_.get())) return true;
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) return true;
    if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) bench::die("the TLS handshake failed");
    return false;
  }
  void send(const std::string& bytes) {
    const auto sent = ssl_ ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                           : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(bytes.size())) bench::die("a request was not taken");
  }
  // Empty when there is nothing for now.
  std::string_view read() {
    static std::array<char, 256 * 1024> buffer;
    if (ssl_) {
      const int got = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
      if (got > 0) return {buffer.data(), static_cast<std::size_t>(got)};
      if (SSL_get_error(ssl_.get(), got) != SSL_ERROR_WANT_READ) bench::die("the proxy closed a connection");
      return {};
    }
    const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (got == 0) bench::die("the proxy closed a connection");
    return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
  }

  // The answer that is being read.
  std::string head;
  std::size_t body_left = 0;
  bool in_body = false;
  bool asked = false;
  bench::Clock::time_point start = bench::Clock::now();

 private:
  int fd_;
  std::unique_ptr<SSL, Free> ssl_;
};

std::size_t body_length(std::string_view head) {
  if (!head.starts_with("HTTP/1.1 200 "))
    bench::die("not 200: " + std::string(head.substr(0, head.find('\r'))));
  for (const std::string_view name : {"\r\nContent-Length: ", "\r\ncontent-length: "}) {
    const std::size_t at = head.find(name);
    if (at != std::string_view::npos) return std::strtoull(head.data() + at + name.size(), nullptr, 10);
  }
  bench::die("an answer without Content-Length");
}

class Load {
 public:
  explicit Load(Plan plan) : plan_(std::move(plan)), to_send_(plan_.requests), to_come_(plan_.requests) {
    if (plan_.tls) context_.reset(SSL_CTX_new(TLS_client_method()));
    microseconds_.reserve(plan_.requests);
    // Those that stay are there before anything is measured.
    for (std::size_t i = 0; i < plan_.connections && !plan_.close; ++i) {
      Connection& connection = connect();
      while (!connection.connected()) epoll_.wait(std::chrono::seconds(1));
    }
  }

  void run() {
    for (std::size_t i = 0; i < plan_.connections && plan_.close; ++i) connect();
    for (auto& [fd, connection] : connections_) {
      if (!plan_.close) send_next(*connection);
    }
    while (to_come_ > 0) {
      const auto events = epoll_.wait(std::chrono::seconds(10));
      if (events.empty()) bench::die("nothing came for 10 s");
      for (const epoll_event& event : events) advance(event.data.fd);
    }
    std::ranges::sort(microseconds_);
  }

  const std::vector<double>& microseconds() const { return microseconds_; }  // of each, sorted

 private:
  Connection& connect() {
    auto connection = std::make_unique<Connection>(plan_.port, context_.get());
    epoll_.add(connection->fd(), EPOLLIN | EPOLLOUT | EPOLLET);
    return *(connections_[connection->fd()] = std::move(connection));
  }

  void send_next(Connection& connection) {
    if (to_send_ == 0) return;
    --to_send_;
    connection.asked = true;
    if (!plan_.close) connection.start = bench::Clock::now();
    connection.send(plan_.request);
  }

  void advance(int fd) {
    const auto found = connections_.find(fd);
    if (found == connections_.end()) return;
    Connection& connection = *found->second;
    if (!connection.connected()) return;
    if (!connection.asked) return send_next(connection);
    for (std::string_view bytes; !(bytes = connection.read()).empty();) {
      if (!take(connection, bytes)) continue;
      const std::chrono::duration<double, std::micro> took = bench::Clock::now() - connection.start;
      microseconds_.push_back(took.count());
      --to_come_;
      if (plan_.close) {
        connections_.erase(found);
        if (to_send_ > 0) connect();
        return;
      }
      connection.asked = false;
      send_next(connection);
      if (!connection.asked) return;
    }
  }

  // True when the answer is whole.
  static bool take(Connection& answer, std::string_view bytes) {
    if (!answer.in_body) {
      answer.head += bytes;
      const std::size_t end = answer.head.find("\r\n\r\n");
      if (end == std::string::npos) return false;
      bytes.remove_prefix(bytes.size() - (answer.head.size() - end - 4));
      answer.body_left = body_length(answer.head);
      answer.in_body = true;
    }
    if (bytes.size() > answer.body_left) bench::die("bytes behind an answer");
    answer.body_left -= bytes.size();
    if (answer.body_left > 0) return false;
    answer.head.clear();
    answer.in_body = false;
    return true;
  }

  Plan plan_;
  std::size_t to_send_;
  std::size_t to_come_;
  std::vector<double> microseconds_;
  bench::Epoll epoll_;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
};

}  // namespace

int main(int argc, char** argv) {
  Plan plan;
  std::size_t post = 0;
  int at = 1;
  for (; at < argc && std::string_view(argv[at]).starts_with("--"); ++at) {
    const std::string_view option = argv[at];
    if (option == "--close") plan.close = true;
    if (option == "--tls") plan.tls = true;
    if (option == "--post" && at + 1 < argc) post = bench::number(argv[++at]);
  }
  if (argc - at < 5)
    bench::die("usage: bench_load [--post BYTES] [--close] [--tls] PORT PATH CONNECTIONS REQUESTS PID...");
  plan.port = static_cast<std::uint16_t>(bench::number(argv[at]));
  plan.request = bench::request(argv[at + 1], post, plan.close);
  plan.connections = bench::number(argv[at + 2]);
  plan.requests = bench::number(argv[at + 3]);
  std::vector<pid_t> pids;
  for (at += 4; at < argc; ++at) pids.push_back(static_cast<pid_t>(bench::number(argv[at])));

  Load load(plan);
  const auto cpu = bench::cpu_time(pids);
  const auto start = bench::Clock::now();
  load.run();
  const std::chrono::duration<double, std::micro> used = bench::cpu_time(pids) - cpu;
  const std::chrono::duration<double> took = bench::Clock::now() - start;
  const auto count = static_cast<double>(plan.requests);
  std::printf("%.2f %.0f %.0f %.0f\n", used.count() / count, count / took.count(),
              bench::percentile(load.microseconds(), 0.50), bench::percentile(load.microseconds(), 0.99));
}
