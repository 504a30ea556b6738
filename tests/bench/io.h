// What the bench's programs share: sockets on loopback, and what /proc says about the processes that are
// measured.
#pragma once

#include <sys/epoll.h>
#include <sys/types.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

using Clock = std::chrono::steady_clock;

// Every function ends the program with a message when it can't do its work: a bench has nothing to fall back
// on.
[[noreturn]] void die(std::string_view what);
[[noreturn]] void die_errno(std::string_view what);

// Raises the limit of open descriptors as far as it goes, up to `wanted`; returns what it is then.
std::size_t raise_descriptor_limit(std::size_t wanted);

std::uint64_t number(const char* text);

int listen_on(std::uint16_t port);  // 127.0.0.1, non-blocking; 0 for any
std::uint16_t port_of(int socket);
int connect_to(std::uint16_t port);  // connected, then non-blocking

// With the eight headers that a browser sends: a POST if it has a body. `close`: the last on its connection.
std::string request(std::string_view path, std::size_t body, bool close);
// A GET.
std::string get_request(std::string_view path);

class Epoll {
 public:
  Epoll();
  ~Epoll();
  Epoll(const Epoll&) = delete;
  Epoll& operator=(const Epoll&) = delete;
  void add(int fd, std::uint32_t events) const;
  // Empty after `patience`.
  std::span<const epoll_event> wait(std::chrono::milliseconds patience);

 private:
  int fd_;
  std::vector<epoll_event> events_;
};

// Of what is sorted and not empty; `share` 0.99 for the 99th.
template <typename Range>
auto percentile(const Range& sorted, double share) {
  const auto index = static_cast<std::size_t>(share * static_cast<double>(sorted.size()));
  return sorted[std::min(sorted.size() - 1, index)];
}

// CPU time that the processes have used, of all their threads, user and system.
std::chrono::nanoseconds cpu_time(std::span<const pid_t> pids);
// Their resident memory.
std::size_t resident_bytes(std::span<const pid_t> pids);

}  // namespace bench
