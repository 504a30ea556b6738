// A test's whole world: a scripted upstream and a webhook receiver, the real binary between them and scripted
// clients.
#pragma once

#include "support/client.h"
#include "support/hangup.h"
#include "support/mock_upstream.h"
#include "support/receiver.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

namespace hangup::test {

using namespace std::chrono_literals;
using Json = nlohmann::json;

// What a test's configuration says beside what all of them say: members of YAML flow mappings, "max: 1,
// queue: 2". Routed is everything, to one upstream, with the cleanup `stop` for a client that has gone.
struct Yaml {
  std::string address = "127.0.0.1:0";
  std::string listener = {};
  std::string servers = {};  // quoted URLs; empty: the fixture's upstream
  std::string upstream = {};
  std::string match = "path: \"/*\"";
  std::string route = {};
  std::string on_disconnect = "cleanup: stop";
  std::string cleanup = {};
  std::string cleanup_url = {};  // empty: /stop at the fixture's receiver
  std::string drain = "5s";
  int workers = 2;
};

class EndToEnd : public ::testing::Test {
 protected:
  std::string configuration(const Yaml& yaml = {}) const;
  Hangup& start(const Yaml& yaml = {});
  Client connect(const BufferSizes& buffers = {}) const { return hangup->connect(buffers); }

  // What was logged in all, after hangup has drained: nothing can come any more. Fails the test unless it is
  // one exchange.
  Json only_exchange();
  // The same of what was logged for one path.
  Json only_exchange(std::string_view path);
  // After hangup has drained: the webhook was called once, and for this exchange.
  Call only_call(const Json& exchange) const;
  void expect_no_call(const Json& exchange) const;
  void drain();

  MockUpstream upstream;
  Receiver receiver;
  std::unique_ptr<Hangup> hangup;

 private:
  bool drained_ = false;
};

// Outcome, phase and logged status at once, for a failure message that shows all three.
void expect_end(const Json& exchange, std::string_view outcome, std::string_view phase, int status);

// Waits until the server's connection of this request takes no more bytes: the client's side is full.
void wait_until_blocked(const MockUpstream& server, const RequestRecord& request);

}  // namespace hangup::test
