// The inside of MockUpstream: one epoll loop on a thread of its own, and the state that it shares with the
// test's threads.
#pragma once

#include "support/mock_tls.h"
#include "support/mock_upstream.h"

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace hangup::test {

// A request as it grows.
struct RequestEntry {
  RequestRecord record;  // without its message
  std::shared_ptr<const Message> message;

  RequestRecord snapshot() const {
    RequestRecord copy = record;
    copy.message = *message;
    return copy;
  }
};

struct PendingStep {
  std::size_t request;
  Script::Step step;
};

struct MockConnection {
  Fd socket;
  std::optional<MockTls> tls;
  bool tls_failed = false;  // the peer was told why, and is waited for: a close would overtake that
  std::size_t index = 0;
  std::optional<MessageReader> reader;
  std::optional<std::size_t> request;  // the one being read, once its head is there
  std::deque<PendingStep> steps;
  std::size_t sent_of_step = 0;
  bool reading = true;
  std::uint32_t watched = 0;
};

class MockUpstream::Impl {
 public:
  explicit Impl(const Options& options);
  ~Impl();

  void run();
  void accept_all();
  void on_event(std::size_t index, std::uint32_t events);
  void receive(MockConnection& connection);
  void feed(MockConnection& connection, std::string_view bytes);
  void announce(MockConnection& connection);
  void pump(MockConnection& connection);
  enum class Progress { done, waits, blocked, ended };
  Progress take(MockConnection& connection, const PendingStep& pending);
  Progress send(MockConnection& connection, Script::Step& step, unsigned& budget);
  void end(MockConnection& connection, Script::Step::Kind how);
  void peer_closed(MockConnection& connection, Closed how);
  void drop(MockConnection& connection);
  void watch(MockConnection& connection, bool wants_write);
  void wake();

  template <typename Find>
  auto wait(const std::string& what, Find&& find) {
    std::unique_lock lock(mutex);
    const Time deadline = deadline_from_now();
    for (;;) {
      if (auto found = find()) return found;
      if (changed.wait_until(lock, deadline) == std::cv_status::timeout && !find())
        throw TimedOut(summary(what));
    }
  }
  std::string summary(const std::string& what) const;
  std::optional<RequestRecord> nth_request(std::string_view path, std::size_t n,
                                           const std::function<bool(const Message&)>& suits) const;

  Options options;
  Fd listener;
  SocketAddress where;
  Fd epoll;
  Fd waker;

  std::mutex mutex;  // guards all below
  std::condition_variable changed;
  bool stopping = false;
  std::map<std::string, Handler, std::less<>> handlers;
  Handler otherwise;
  std::set<std::string> open_gates;
  std::vector<std::unique_ptr<MockConnection>> connections;  // null once ended
  std::vector<ConnectionRecord> connection_records;
  std::vector<RequestEntry> requests;
  std::set<std::size_t> to_pump;
  std::size_t closes = 0;
  std::size_t open = 0;
  std::array<char, 64 * 1024> buffer;

  std::thread thread;  // last: it uses all the others
};

}  // namespace hangup::test
