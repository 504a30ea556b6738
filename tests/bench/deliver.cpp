// bench_deliver: how many cleanups a second the outbox in memory delivers to one receiver on loopback, which
// answers from a thread of its own; each attempt is a line of an access log that goes nowhere.
#include "io.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/null_sink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>

#include <hangup/cleanup/cleanup.h>

namespace {

using Clock = bench::Clock;

// Answers each request with 204. Requests come one at a time on a connection, and end in their body.
class Receiver {
 public:
  explicit Receiver(std::string body) : body_(std::move(body)), listener_(bench::listen_on(0)) {
    thread_ = std::thread([this] { run(); });
  }
  ~Receiver() {
    stopping_ = true;
    thread_.join();
    ::close(listener_);
  }
  std::uint16_t port() const { return bench::port_of(listener_); }

 private:
  void run() {
    bench::Epoll epoll;
    epoll.add(listener_, EPOLLIN);
    while (!stopping_) {
      for (const epoll_event& event : epoll.wait(std::chrono::milliseconds(100))) {
        if (event.data.fd != listener_) {
          serve(event.data.fd);
          continue;
        }
        for (int fd = 0; (fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
          epoll.add(fd, EPOLLIN);
        }
      }
    }
  }
  void serve(int fd) {
    static constexpr std::string_view answer = "HTTP/1.1 204 No Content\r\n\r\n";
    char bytes[16 * 1024];
    const ssize_t count = ::recv(fd, bytes, sizeof bytes, 0);
    if (count == 0) {
      inputs_.erase(fd);
      ::close(fd);
    }
    if (count <= 0) return;
    std::string& input = inputs_[fd];
    input.append(bytes, static_cast<std::size_t>(count));
    if (!input.ends_with(body_)) return;
    input.clear();
    if (::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) bench::die_errno("send");
  }

  const std::string body_;
  int listener_;
  std::unordered_map<int, std::string> inputs_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

hangup::cleanup::Delivery delivery_to(const std::string& url, const std::string& body, std::uint64_t number) {
  hangup::cleanup::Delivery delivery;
  delivery.request_id = "0197a5c0-0000-7000-8000-" + std::to_string(100'000'000'000 + number);
  delivery.id = delivery.request_id + "-0";
  delivery.cleanup = "bench";
  delivery.method = "POST";
  delivery.url = url;
  delivery.headers = {{"Content-Type", "application/cloudevents+json"},
                      {"webhook-id", delivery.id},
                      {"webhook-timestamp", "0"}};
  delivery.body = body;
  delivery.timeout = std::chrono::seconds(5);
  delivery.created = std::chrono::system_clock::now();
  delivery.expire_after = std::chrono::minutes(10);
  return delivery;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) bench::die("usage: bench_deliver DELIVERIES ROUNDS");
  const std::uint64_t deliveries = bench::number(argv[1]);
  const std::string body = "{\"data\":\"" + std::string(480, 'x') + "\"}";
  Receiver receiver(body);
  const std::string url = "http://127.0.0.1:" + std::to_string(receiver.port()) + "/stop";
  const auto log = std::make_shared<spdlog::logger>("null", std::make_shared<spdlog::sinks::null_sink_mt>());
  const auto credentials = hangup::cleanup::load_credentials({});
  if (!credentials) bench::die(credentials.error().message);
  for (std::uint64_t round = bench::number(argv[2]); round > 0; --round) {
    hangup::cleanup::MemoryOutbox outbox({.capacity = deliveries}, *credentials, log, log);
    const auto start = Clock::now();
    for (std::uint64_t i = 0; i < deliveries; ++i) outbox.add({delivery_to(url, body, i)});
    if (!outbox.drain(std::chrono::minutes(5)) || outbox.counts().delivered != deliveries) {
      bench::die("not everything was delivered");
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    std::printf("%llu deliveries of %zu bytes: %.0f a second\n", static_cast<unsigned long long>(deliveries),
                body.size(), static_cast<double>(deliveries) / seconds);
  }
}
