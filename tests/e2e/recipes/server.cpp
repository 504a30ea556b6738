#include "e2e/recipes/server.h"

#include "support/client.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <iostream>

namespace hangup::test {
namespace {

// Starting a database takes longer than anything else that tests wait for.
constexpr std::chrono::seconds patience_at_start{60};

std::vector<std::string> checked(std::vector<std::string> argv, std::string_view package) {
  if (::access(argv.front().c_str(), X_OK) != 0) {
    throw std::runtime_error(fmt::format(
        "{} is missing: install {}, or run `tests/run.sh backends`, which does", argv.front(), package));
  }
  return argv;
}

}  // namespace

std::string own_host() {
  const auto pid = static_cast<unsigned>(::getpid());
  return fmt::format("127.{}.{}.{}", 64 + (pid >> 16), (pid >> 8) & 0xff, pid & 0xff);
}

std::string filled_in(const std::filesystem::path& file,
                      const std::vector<std::pair<std::string, std::string>>& values) {
  std::string text = read_file(file);
  for (const auto& [name, value] : values) {
    const std::string mark = '@' + name + '@';
    for (std::size_t at = 0; (at = text.find(mark, at)) != std::string::npos; at += value.size()) {
      text.replace(at, mark.size(), value);
    }
  }
  return text;
}

Server::Server(std::vector<std::string> argv, std::string_view package, int end)
    : name_(argv.front()),
      end_(end),
      process_(checked(std::move(argv), package), dir_ / "out", dir_ / "err") {}

Server::~Server() {
  if (process_.running()) process_.signal(end_);
  process_.wait();
  if (::testing::Test::HasFailure()) {
    std::cerr << "--- " << name_ << "\n" << read_file(dir_ / "out") << read_file(dir_ / "err") << "---\n";
  }
}

void Server::wait_until_ready(const SocketAddress& where, std::string_view path) {
  const Time deadline = std::chrono::steady_clock::now() + patience_at_start;
  for (;;) {
    if (!process_.running()) throw std::runtime_error(name_ + " ended: " + process_.wait()->to_string());
    try {
      if (ask(where, get(path)).status == 200) return;
    } catch (const std::exception&) {  // refuses connections, or closes them
      if (std::chrono::steady_clock::now() > deadline) throw;
    }
    if (std::chrono::steady_clock::now() > deadline) throw TimedOut(name_ + " to be ready");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

Message ask(const SocketAddress& server, const std::string& request) {
  return Client(server).exchange(request, request.substr(0, request.find(' ')));
}

}  // namespace hangup::test
