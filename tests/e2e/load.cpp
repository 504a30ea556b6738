#include "e2e/load.h"

#include <chrono>
#include <memory>
#include <utility>

namespace hangup::test {

Load::Load(SocketAddress where, std::size_t keeping, std::size_t connecting,
           std::function<bool(const Response&)> suits)
    : where_(where), suits_(std::move(suits)) {
  for (std::size_t i = 0; i < keeping + connecting; ++i)
    clients_.emplace_back([this, keep = i < keeping] { ask_again_and_again(keep); });
}

Load::~Load() {
  stop_ = true;
}

void Load::fail(const std::string& what) {
  const std::scoped_lock lock(mutex_);
  if (failures_.size() < 2000) failures_ += what + '\n';
}

void Load::ask_again_and_again(bool keep) {
  std::unique_ptr<Client> client;
  while (!stop_) {
    const bool used = client != nullptr;
    const Time begin = std::chrono::steady_clock::now();
    try {
      if (!client) client = std::make_unique<Client>(where_);
      client->send(get("/load"));
      client->read_head();
    } catch (const std::exception& error) {
      // Of one that drains, a new connection has a second, which this thread may have spent elsewhere.
      if (used || std::chrono::steady_clock::now() - begin > 500ms) {
        ++sent_again_;
      } else {
        fail(std::string("no answer on a new connection: ") + error.what());
      }
      client.reset();
      continue;
    }
    try {
      const Response response = client->finish();
      if (!response.complete) fail("cut off");
      if (!suits_(response)) fail("answered " + std::to_string(response.status) + ": " + response.body);
      ++answered_;
      const bool closes = response.header("Connection") == "close";
      if (!keep || closes) client.reset();
    } catch (const std::exception& error) {
      fail(error.what());
      client.reset();
    }
  }
}

void Load::go_on_for(std::size_t answers) const {
  const std::size_t until = answered() + answers;
  eventually("answers", [&] { return answered() >= until; });
}

std::string Load::stop() {
  stop_ = true;
  clients_.clear();
  return failures_;
}

}  // namespace hangup::test
