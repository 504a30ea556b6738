// bench_matrix: is the client and the upstream of several proxies at once, so that one clock measures how
// long after the client has left the upstream sees its connection closed. Clients leave one after the other,
// one of each proxy by turns, in one row of the matrix of disconnects: what the exchange was doing, what the
// client had sent behind its request, how it left.
#include "io.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <thread>

namespace {

using namespace std::chrono_literals;

enum class Answer { none, gap, big, tunnel };  // what the upstream makes of the request
enum class Way { close, reset, notify, half_close };

struct Row {
  std::string_view name;
  Answer answer = Answer::none;
  Way way = Way::close;
  bool tls = false;
  std::size_t junk = 0;  // bytes pipelined behind the request
  std::size_t gets = 0;  // whole requests pipelined behind it
  std::string_view request = "get";
};

constexpr std::array rows = {
    Row{.name = "fin"},
    Row{.name = "rst", .way = Way::reset},
    Row{.name = "gap-fin", .answer = Answer::gap},
    Row{.name = "gap-rst", .answer = Answer::gap, .way = Way::reset},
    Row{.name = "half-close", .way = Way::half_close, .request = "upload"},
    Row{.name = "body-fin", .request = "half-upload"},
    Row{.name = "64k-fin", .junk = 64 * 1024},
    Row{.name = "64k-rst", .way = Way::reset, .junk = 64 * 1024},
    Row{.name = "gets-fin", .gets = 20},
    Row{.name = "unread-fin", .answer = Answer::big},
    Row{.name = "tls-notify", .way = Way::notify, .tls = true},
    Row{.name = "tls-fin", .tls = true},
    Row{.name = "tls-rst", .way = Way::reset, .tls = true},
    Row{.name = "tls-gap", .answer = Answer::gap, .way = Way::notify, .tls = true},
    Row{.name = "tunnel-fin", .answer = Answer::tunnel, .request = "upgrade"},
    Row{.name = "tunnel-rst", .answer = Answer::tunnel, .way = Way::reset, .request = "upgrade"},
    Row{.name = "continue-fin", .request = "continue"},
};

constexpr auto patience = 2s;        // for a disconnect to be noticed
constexpr std::size_t give_up = 10;  // after so many that were not, without any that was
constexpr std::size_t big = 64U << 20U;
// Disconnects of which one percentile is made; of those of all rounds the median counts, so that a moment in
// which the machine did something else stands in one of them only.
constexpr std::size_t round_of = 200;

std::string request_of(const Row& row) {
  const std::string post = "POST /hold HTTP/1.1\r\nHost: reports.example.com\r\nContent-Length: 1000\r\n";
  if (row.request == "upload") return post + "\r\n" + std::string(1000, 'x');
  if (row.request == "half-upload") return post + "\r\n" + std::string(500, 'x');
  if (row.request == "continue") return post + "Expect: 100-continue\r\n\r\n";
  if (row.request == "upgrade") {
    return "GET /hold HTTP/1.1\r\nHost: reports.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  }
  return bench::get_request("/hold");
}

std::string answer_of(Answer answer) {
  switch (answer) {
    case Answer::none:
      return {};
    case Answer::gap:
      return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    case Answer::big:
      return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(big) + "\r\n\r\n";
    case Answer::tunnel:
      return "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
             "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello";
  }
  return {};
}

// Whether the socket is ready for it within the time.
bool await(int fd, short events, std::chrono::milliseconds time) {
  pollfd query{fd, events, 0};
  return ::poll(&query, 1, static_cast<int>(time.count())) > 0;
}

class Client {
 public:
  Client(std::uint16_t port, SSL_CTX* tls) : fd_(bench::connect_to(port)), ssl_(nullptr, SSL_free) {
    ::fcntl(fd_, F_SETFL, 0);
    // A proxy that sends a head and waits for its acknowledgement before the rest would wait for 40 ms.
    constexpr int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
    if (tls == nullptr) return;
    ssl_.reset(SSL_new(tls));
    SSL_set_fd(ssl_.get(), fd_);
    if (SSL_connect(ssl_.get()) != 1) bench::die("no TLS handshake");
  }
  ~Client() {
    if (fd_ >= 0) ::close(fd_);
  }
  Client(const Client&) = delete;

  void send(std::string_view bytes) {
    if (ssl_ && !bytes.empty()) {
      if (SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) <= 0) bench::die("TLS write");
      return;
    }
    // A proxy that does not take it all is measured nevertheless.
    while (!bytes.empty() && await(fd_, POLLOUT, 100ms)) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  // What comes within the time, until the mark.
  std::string read(std::string_view mark, std::chrono::milliseconds time) {
    std::array<char, 16 * 1024> buffer;
    std::string all;
    while (all.find(mark) == std::string::npos && (pending() || await(fd_, POLLIN, time))) {
      const ssize_t got = ssl_ ? SSL_read(ssl_.get(), buffer.data(), buffer.size())
                               : ::recv(fd_, buffer.data(), buffer.size(), 0);
      if (got <= 0) break;
      all.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return all;
  }

  // Session tickets that nobody has read would turn the close into a reset.
  void read_tickets() {
    if (!ssl_) return;
    ::fcntl(fd_, F_SETFL, O_NONBLOCK);
    char byte = 0;
    SSL_read(ssl_.get(), &byte, 1);
    ::fcntl(fd_, F_SETFL, 0);
  }

  void leave(Way way) {
    if (way == Way::half_close) {
      ::shutdown(fd_, SHUT_WR);
      return;
    }
    if (way == Way::notify) SSL_shutdown(ssl_.get());
    const linger now{1, 0};
    if (way == Way::reset) ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    ::close(fd_);
    fd_ = -1;
  }

 private:
  bool pending() const { return ssl_ && SSL_pending(ssl_.get()) > 0; }

  int fd_;
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
};

// One proxy, with the upstream behind it.
class Subject {
 public:
  Subject(std::uint16_t proxy, std::uint16_t upstream)
      : proxy_(proxy), listener_(bench::listen_on(upstream)) {}

  // One disconnect more.
  void try_once(const Row& row, SSL_CTX* tls) {
    if (hopeless()) return;
    ++tried_;
    Client client(proxy_, row.tls ? tls : nullptr);
    client.send(request_of(row));
    const int server = accept_request();
    send_answer(server, row.answer);
    if (row.answer == Answer::gap || row.answer == Answer::tunnel) client.read("hello", patience);
    if (!row.tls || row.answer == Answer::none) client.read_tickets();
    std::string behind(row.junk, 'j');
    for (std::size_t i = 0; i < row.gets; ++i) behind += bench::get_request("/next");
    client.send(behind);
    // What has been sent has come, and each proxy sleeps: one that leaves its client more to do, such as to
    // read session tickets, would be longer asleep otherwise, and take longer to wake. By lot, since a
    // proxy's timers would fall on the client's leaving again and again, or never.
    std::this_thread::sleep_for(2ms + std::chrono::microseconds(random_() % 2000));
    row.way == Way::half_close ? half_close(client, server) : leave(client, row.way, server);
    ::close(server);
  }

  void print() {
    if (!word_.empty()) {
      std::printf("%s -/- - - - - -\n", word_.c_str());
      return;
    }
    const std::vector<double> halves = of_rounds(0.50);
    const std::vector<double> tails = of_rounds(0.99);
    std::printf("- %zu/%zu %.3f %.3f %.3f %.3f %.1f\n", milliseconds_.size(), tried_,
                bench::percentile(halves, 0.50), bench::percentile(tails, 0.50),
                bench::percentile(tails, 0.25), bench::percentile(tails, 0.75),
                static_cast<double>(taken_) / 1e6);
  }

 private:
  // A percentile of each round, sorted.
  std::vector<double> of_rounds(double share) {
    std::vector<double> all;
    for (std::span<double> left = milliseconds_; !left.empty();) {
      // The last one takes what would be no whole round.
      const std::size_t count = left.size() < 2 * round_of ? left.size() : round_of;
      std::ranges::sort(left.first(count));
      all.push_back(bench::percentile(left.first(count), share));
      left = left.subspan(count);
    }
    if (all.empty()) all.push_back(0);
    std::ranges::sort(all);
    return all;
  }

  bool hopeless() const { return (tried_ >= give_up && milliseconds_.empty()) || !word_.empty(); }

  // The connection that the proxy has made for the request, whose head has come.
  int accept_request() const {
    std::array<char, 16 * 1024> buffer;
    for (const auto deadline = bench::Clock::now() + 10s; bench::Clock::now() < deadline;) {
      if (!await(listener_, POLLIN, 1s)) continue;
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) continue;
      std::string head;
      while (head.find("\r\n\r\n") == std::string::npos && await(fd, POLLIN, patience)) {
        const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (got <= 0) break;
        head.append(buffer.data(), static_cast<std::size_t>(got));
      }
      if (head.find("\r\n\r\n") != std::string::npos) return fd;
      ::close(fd);  // made in advance, and given up
    }
    bench::die("a request did not reach the upstream within 10 s");
  }

  // Until the proxy takes no more of it.
  void send_answer(int server, Answer kind) {
    const std::string answer = answer_of(kind);
    if (::send(server, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) bench::die_errno("send");
    if (kind != Answer::big) return;
    const std::string piece(64 * 1024, 's');
    taken_ = 0;
    while (await(server, POLLOUT, 100ms)) {
      const ssize_t sent = ::send(server, piece.data(), std::min(piece.size(), big - taken_), MSG_NOSIGNAL);
      if (sent <= 0) return;
      taken_ += static_cast<std::size_t>(sent);
    }
  }

  void leave(Client& client, Way way, int server) {
    const auto start = bench::Clock::now();
    client.leave(way);
    if (!saw_close(server, start + patience)) return;
    milliseconds_.push_back(std::chrono::duration<double, std::milli>(bench::Clock::now() - start).count());
  }

  // Reads what comes before the close, such as the rest of a body.
  static bool saw_close(int server, bench::Clock::time_point deadline) {
    std::array<char, 16 * 1024> buffer;
    while (bench::Clock::now() < deadline) {
      if (!await(server, POLLIN | POLLRDHUP, 100ms)) continue;
      const ssize_t got = ::recv(server, buffer.data(), buffer.size(), 0);
      if (got == 0 || (got < 0 && errno != EAGAIN)) return true;
    }
    return false;
  }

  // What becomes of a client that still reads.
  void half_close(Client& client, int server) {
    constexpr std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    client.leave(Way::half_close);
    if (saw_close(server, bench::Clock::now() + 300ms)) {
      const std::string got = client.read("\r\n\r\n", 200ms);
      word_ = got.starts_with("HTTP/1.1 ") ? "aborted," + got.substr(9, 3) : "aborted";
      return;
    }
    [[maybe_unused]] const ssize_t sent = ::send(server, answer.data(), answer.size(), MSG_NOSIGNAL);
    word_ = client.read("hello", patience).find("hello") != std::string::npos ? "served" : "not-served";
  }

  std::uint16_t proxy_;
  int listener_;
  std::minstd_rand random_;
  std::size_t tried_ = 0;
  std::size_t taken_ = 0;  // bytes of an answer that nobody reads
  std::string word_;
  std::vector<double> milliseconds_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "rows") {
    for (const Row& row : rows) std::printf("%s%s\n", row.name.data(), row.tls ? " tls" : "");
    return 0;
  }
  if (argc < 5 || argc % 2 == 0)
    bench::die("usage: bench_matrix rows | bench_matrix ROW COUNT {PROXY-PORT UPSTREAM-PORT} ...");
  const auto row = std::ranges::find(rows, std::string_view(argv[1]), &Row::name);
  if (row == rows.end()) bench::die("no such row; `bench_matrix rows` names them");
  const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> tls(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  std::vector<Subject> subjects;
  for (int i = 3; i < argc; i += 2) {
    const auto port = [&](int index) { return static_cast<std::uint16_t>(bench::number(argv[index])); };
    subjects.emplace_back(port(i), port(i + 1));
  }
  // Whoever comes behind a proxy shares the processor with what that one has left to do: so by lot.
  std::vector<Subject*> turns;
  for (Subject& subject : subjects) turns.push_back(&subject);
  std::mt19937 random(1);
  for (auto left = bench::number(argv[2]); left > 0; --left) {
    std::ranges::shuffle(turns, random);
    for (Subject* subject : turns) subject->try_once(*row, tls.get());
  }
  for (Subject& subject : subjects) subject.print();
}
