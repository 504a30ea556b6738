#include "e2e/recipes/recipe.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <regex>

namespace hangup::test {
namespace {

std::vector<std::string> curl_command(std::vector<std::string> arguments) {
  // Unbuffered, and bounded should nobody kill it.
  arguments.insert(arguments.begin(), {"curl", "-sS", "-N", "--max-time", "60"});
  return arguments;
}

}  // namespace

Recipe::Recipe(std::string_view name)
    : text_(read_file(std::filesystem::path(RECIPES) / (std::string(name) + ".yaml"))) {
  set("HANGUP_LISTEN", "127.0.0.1:0");
  // A recipe that calls nothing has no outbox.
  if (text_.contains("cleanup:")) set("HANGUP_OUTBOX", dir_ / "outbox.db");
}

Recipe& Recipe::set(const std::string& name, const std::string& value) {
  if (!text_.contains("${" + name + ":-")) throw std::runtime_error("the recipe has no ${" + name + ":-...}");
  environment_.emplace_back(name, value);
  return *this;
}

Recipe& Recipe::without_cleanups() {
  static const std::regex called(R"(on_disconnect: \{cleanup: [a-z-]+\})");
  const std::string without = std::regex_replace(text_, called, "on_disconnect: {cleanup: none}");
  if (without == text_) throw std::runtime_error("the recipe calls no cleanup");
  text_ = without;
  return *this;
}

Hangup& Recipe::start() {
  for (const auto& [name, value] : environment_) ::setenv(name.c_str(), value.c_str(), 1);
  hangup_.reset();
  hangup_ = std::make_unique<Hangup>(text_);
  for (const auto& [name, value] : environment_) ::unsetenv(name.c_str());
  return *hangup_;
}

Curl::Curl(std::vector<std::string> arguments)
    : process_(curl_command(std::move(arguments)), dir_ / "out", dir_ / "err") {}

void Curl::leave() {
  if (!process_.running()) {
    ADD_FAILURE() << "curl has ended by itself: " << process_.wait()->to_string() << "\n"
                  << received() << read_file(dir_ / "err");
    return;
  }
  process_.signal(SIGKILL);
  process_.wait();
}

Json wait_for_departure(Hangup& hangup) {
  Json exchange = hangup.wait_for_log("an exchange whose client has left", [](const Json& line) {
    return line.at("type") == "exchange" && line.at("outcome") == "client_gone";
  });
  EXPECT_EQ(hangup.access_log("exchange").size(), 1U);
  return exchange;
}

Json wait_for_delivery(Hangup& hangup, const Json& exchange) {
  return hangup.wait_for_log("a cleanup's delivery", [&](const Json& line) {
    return line.at("type") == "cleanup" && line.at("request_id") == exchange.at("request_id") &&
           line.at("result") == "delivered";
  });
}

}  // namespace hangup::test
