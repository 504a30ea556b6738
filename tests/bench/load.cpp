// bench_load: keep-alive connections that each send the next request when the answer is there; prints the CPU
// microseconds that the given processes used per request, and the requests per second.
#include "io.h"

#include <sys/socket.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <unordered_map>

namespace {

class Load {
 public:
  Load(std::uint16_t port, std::string request, std::size_t requests)
      : port_(port), request_(std::move(request)), to_send_(requests), to_come_(requests) {}

  void connect(std::size_t connections) {
    for (std::size_t i = 0; i < connections; ++i) {
      const int fd = bench::connect_to(port_);
      epoll_.add(fd, EPOLLIN | EPOLLET);
      answers_.try_emplace(fd);
    }
  }

  void run() {
    for (auto& [fd, answer] : answers_) send_next(fd);
    while (to_come_ > 0) {
      const auto events = epoll_.wait(std::chrono::seconds(10));
      if (events.empty()) bench::die("nothing came for 10 s");
      for (const epoll_event& event : events) read_answer(event.data.fd);
    }
  }

 private:
  struct Answer {
    std::string head;
    std::size_t body_left = 0;
    bool in_body = false;
  };

  void send_next(int fd) {
    if (to_send_ == 0) return;
    --to_send_;
    if (::send(fd, request_.data(), request_.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request_.size())) {
      bench::die_errno("the request was not taken");
    }
  }

  void read_answer(int fd) {
    Answer& answer = answers_[fd];
    static std::array<char, 256 * 1024> buffer;
    for (ssize_t got; (got = ::recv(fd, buffer.data(), buffer.size(), 0)) != -1;) {
      if (got == 0) bench::die("the proxy closed a connection");
      take(answer, std::string_view(buffer.data(), static_cast<std::size_t>(got)), fd);
    }
  }

  void take(Answer& answer, std::string_view bytes, int fd) {
    if (!answer.in_body) {
      answer.head += bytes;
      const std::size_t end = answer.head.find("\r\n\r\n");
      if (end == std::string::npos) return;
      bytes.remove_prefix(bytes.size() - (answer.head.size() - end - 4));
      answer.body_left = body_length(answer.head);
      answer.in_body = true;
    }
    if (bytes.size() > answer.body_left) bench::die("bytes behind an answer");
    answer.body_left -= bytes.size();
    if (answer.body_left > 0) return;
    answer = {};
    --to_come_;
    send_next(fd);
  }

  static std::size_t body_length(std::string_view head) {
    if (!head.starts_with("HTTP/1.1 200 "))
      bench::die("not 200: " + std::string(head.substr(0, head.find('\r'))));
    for (const std::string_view name : {"\r\nContent-Length: ", "\r\ncontent-length: "}) {
      const std::size_t at = head.find(name);
      if (at != std::string_view::npos) return std::strtoull(head.data() + at + name.size(), nullptr, 10);
    }
    bench::die("an answer without Content-Length");
  }

  std::uint16_t port_;
  std::string request_;
  std::size_t to_send_;
  std::size_t to_come_;
  bench::Epoll epoll_;
  std::unordered_map<int, Answer> answers_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) bench::die("usage: bench_load PORT PATH CONNECTIONS REQUESTS PID...");
  const auto requests = bench::number(argv[4]);
  std::vector<pid_t> pids;
  for (int i = 5; i < argc; ++i) pids.push_back(static_cast<pid_t>(bench::number(argv[i])));

  Load load(static_cast<std::uint16_t>(bench::number(argv[1])), bench::get_request(argv[2]), requests);
  load.connect(bench::number(argv[3]));
  const auto cpu = bench::cpu_time(pids);
  const auto start = bench::Clock::now();
  load.run();
  const std::chrono::duration<double, std::micro> used = bench::cpu_time(pids) - cpu;
  const std::chrono::duration<double> took = bench::Clock::now() - start;
  std::printf("%.2f %.0f\n", used.count() / static_cast<double>(requests),
              static_cast<double>(requests) / took.count());
}
