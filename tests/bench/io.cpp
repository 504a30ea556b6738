#include "io.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace bench {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

void set_option(int socket, int level, int option) {
  const int on = 1;
  if (::setsockopt(socket, level, option, &on, sizeof on) != 0) die_errno("setsockopt");
}

// User and system time from /proc/PID/stat, in ticks: for kernels without schedstat.
std::chrono::nanoseconds ticks_time(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 1));  // the name before may have blanks
  std::string skipped;
  std::int64_t user = 0, system = 0;
  for (int i = 3; i < 14; ++i) fields >> skipped;
  fields >> user >> system;
  return std::chrono::nanoseconds((user + system) * (1'000'000'000 / ::sysconf(_SC_CLK_TCK)));
}

}  // namespace

void die(std::string_view what) {
  std::fprintf(stderr, "bench: %.*s\n", static_cast<int>(what.size()), what.data());
  std::exit(1);
}

void die_errno(std::string_view what) {
  die(std::string(what) + ": " + std::strerror(errno));
}

std::size_t raise_descriptor_limit(std::size_t wanted) {
  rlimit limit{wanted, wanted};
  if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return wanted;
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

std::uint64_t number(const char* text) {
  char* end = nullptr;
  const std::uint64_t value = std::strtoull(text, &end, 10);
  if (end == text || *end != '\0') die(std::string("not a number: ") + text);
  return value;
}

int listen_on(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  if (socket < 0) die_errno("socket");
  set_option(socket, SOL_SOCKET, SO_REUSEADDR);
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) die_errno("bind");
  if (::listen(socket, 16384) != 0) die_errno("listen");
  return socket;
}

std::uint16_t port_of(int socket) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) die_errno("getsockname");
  return ntohs(address.sin_port);
}

int connect_to(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  if (socket < 0) die_errno("socket");
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    die_errno("connect");
  set_option(socket, IPPROTO_TCP, TCP_NODELAY);
  if (::fcntl(socket, F_SETFL, O_NONBLOCK) != 0) die_errno("fcntl");
  return socket;
}

std::string request(std::string_view path, std::size_t body, bool close) {
  std::string out(body > 0 ? "POST " : "GET ");
  out.append(path);
  out +=
      " HTTP/1.1\r\n"
      "Host: reports.example.com\r\n"
      "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
      "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
      "Accept-Language: en-GB,en;q=0.5\r\n"
      "Accept-Encoding: gzip, deflate, br\r\n"
      "Referer: http://reports.example.com/overview\r\n"
      "Cookie: session=7c1f0a52b9e84d5fa3; theme=dark\r\n"
      "Cache-Control: max-age=0\r\n";
  if (body > 0) out += "Content-Length: " + std::to_string(body) + "\r\n";
  if (close) out += "Connection: close\r\n";
  out += "\r\n";
  return out.append(body, 'x');
}

std::string get_request(std::string_view path) {
  return request(path, 0, false);
}

Epoll::Epoll() : fd_(::epoll_create1(EPOLL_CLOEXEC)), events_(512) {
  if (fd_ < 0) die_errno("epoll_create1");
}

Epoll::~Epoll() {
  ::close(fd_);
}

void Epoll::add(int fd, std::uint32_t events) const {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (::epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event) != 0) die_errno("epoll_ctl");
}

std::span<const epoll_event> Epoll::wait(std::chrono::milliseconds patience) {
  const int count =
      ::epoll_wait(fd_, events_.data(), static_cast<int>(events_.size()), static_cast<int>(patience.count()));
  if (count < 0 && errno != EINTR) die_errno("epoll_wait");
  return {events_.data(), static_cast<std::size_t>(count < 0 ? 0 : count)};
}

std::chrono::nanoseconds cpu_time(std::span<const pid_t> pids) {
  std::chrono::nanoseconds total{};
  for (const pid_t pid : pids) {
    std::int64_t of_process = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
      std::int64_t of_thread = 0;
      std::ifstream(task.path() / "schedstat") >> of_thread;
      of_process += of_thread;
    }
    total += of_process > 0 ? std::chrono::nanoseconds(of_process) : ticks_time(pid);
  }
  return total;
}

std::size_t resident_bytes(std::span<const pid_t> pids) {
  std::size_t total = 0;
  for (const pid_t pid : pids) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("VmRSS:")) total += std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
    }
  }
  return total;
}

}  // namespace bench
