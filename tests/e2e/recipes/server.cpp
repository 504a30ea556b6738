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
  if (::testing::Test::HasFailure()) std::cerr << said();
}

std::string Server::said() const {
  return fmt::format("--- {}\n{}{}---\n", name_, read_file(dir_ / "out"), read_file(dir_ / "err"));
}

void Server::wait_until_ready(const SocketAddress& where, std::string_view path, int status) {
  const Time deadline = std::chrono::steady_clock::now() + patience_at_start;
  std::string last;
  do {
    if (!process_.running()) throw std::runtime_error(process_.wait()->to_string() + " of\n" + said());
    try {
      const Message answer = ask(where, get(path));
      if (answer.status == status) return;
      last = fmt::format("{} {}", answer.status, answer.body);
    } catch (const std::exception& error) {  // refuses connections, or closes them
      last = error.what();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  } while (std::chrono::steady_clock::now() < deadline);
  throw std::runtime_error(fmt::format("{} is not ready: {}\n{}", name_, last, said()));
}

Message ask(const SocketAddress& server, const std::string& request) {
  return Client(server).exchange(request, request.substr(0, request.find(' ')));
}

}  // namespace hangup::test
