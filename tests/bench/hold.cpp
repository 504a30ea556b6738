// bench_hold: opens many requests that the upstream never answers, and prints the resident bytes that the
// given processes have grown by for each of them.
#include "io.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace {

using namespace std::chrono_literals;

// How many requests the upstream holds, by its own account.
std::size_t held(std::uint16_t upstream) {
  const int fd = bench::connect_to(upstream);
  const std::string request = bench::get_request("/held");
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) bench::die_errno("send");
  pollfd waiting{fd, POLLIN, 0};
  ::poll(&waiting, 1, 10'000);
  std::array<char, 1024> buffer;
  const ssize_t got = ::recv(fd, buffer.data(), buffer.size() - 1, 0);
  if (got <= 0) bench::die("the upstream does not answer");
  ::close(fd);
  const std::string_view answer(buffer.data(), static_cast<std::size_t>(got));
  return std::strtoull(std::string(answer.substr(answer.find("\r\n\r\n") + 4)).c_str(), nullptr, 10);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) bench::die("usage: bench_hold PROXY-PORT UPSTREAM-PORT COUNT PID...");
  const auto proxy = static_cast<std::uint16_t>(bench::number(argv[1]));
  const auto upstream = static_cast<std::uint16_t>(bench::number(argv[2]));
  const auto count = bench::number(argv[3]);
  std::vector<pid_t> pids;
  for (int i = 4; i < argc; ++i) pids.push_back(static_cast<pid_t>(bench::number(argv[i])));
  bench::raise_descriptor_limit(65536);

  const std::string request = bench::get_request("/hold");
  const std::size_t before = bench::resident_bytes(pids);
  std::vector<int> clients;
  while (clients.size() < count) {
    clients.push_back(bench::connect_to(proxy));
    if (::send(clients.back(), request.data(), request.size(), MSG_NOSIGNAL) < 0) bench::die_errno("send");
  }
  const auto deadline = bench::Clock::now() + 60s;
  std::size_t holding = 0;
  while ((holding = held(upstream)) < count) {
    if (bench::Clock::now() > deadline)
      bench::die("only " + std::to_string(holding) + " requests reached the upstream");
    std::this_thread::sleep_for(50ms);
  }
  const double grown = static_cast<double>(bench::resident_bytes(pids)) - static_cast<double>(before);
  std::printf("%.2f\n", grown / static_cast<double>(count) / 1024);
}
