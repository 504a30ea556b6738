// Clients that go on asking, each on a thread of its own, while a test does something to hangup: keep-alive
// ones, and ones that connect anew for each request.
#pragma once

#include "e2e/fixture.h"

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace hangup::test {

class Load {
 public:
  // `where` they connect to; `suits` says of a response whether it is one that may come.
  Load(SocketAddress where, std::size_t keeping, std::size_t connecting,
       std::function<bool(const Response&)> suits);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  std::size_t answered() const { return answered_.load(); }
  // Waits for so many answers from now on.
  void go_on_for(std::size_t answers) const;
  // Stops them. What has gone wrong; "" for nothing.
  std::string stop();
  // Requests that a client may send again, since a connection that had carried others closed before any of
  // the answer (RFC 9112 section 9.3.1) or since they were late on a new one, and that were.
  std::size_t sent_again() const { return sent_again_.load(); }

 private:
  void ask_again_and_again(bool keep);
  bool ask(Client& client);
  void fail(const std::string& what);

  const SocketAddress where_;
  const std::function<bool(const Response&)> suits_;
  std::atomic<bool> stop_ = false;
  std::atomic<std::size_t> answered_ = 0;
  std::atomic<std::size_t> sent_again_ = 0;
  std::mutex mutex_;
  std::string failures_;  // guarded by mutex_
  std::vector<std::jthread> clients_;
};

}  // namespace hangup::test
