// hangup is killed with SIGKILL at random moments, under load, again and again: no cleanup that was owed is
// lost, and none is called for an exchange that completed.
#include "e2e/fixture.h"

#include <fmt/format.h>

#include <atomic>
#include <charconv>
#include <csignal>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <thread>
#include <vector>

namespace hangup::test {
namespace {

// What became of one request, as its client saw it.
enum class Fate : std::uint8_t {
  unsent,     // hangup was gone before the request was
  completed,  // the whole response came
  left,       // the client hung up before it
  cut,        // hangup died first
};

// What clients do with the requests of one job.
enum class Behaviour : std::uint8_t {
  read_all,
  leave_waiting,
  leave_streaming,
  stay_waiting,
  stay_streaming
};
constexpr int behaviours = 5;

std::string path_of(Behaviour behaviour) {
  switch (behaviour) {
    case Behaviour::read_all:
      return "/quick";
    case Behaviour::leave_waiting:
    case Behaviour::stay_waiting:
      return "/silent";
    case Behaviour::leave_streaming:
    case Behaviour::stay_streaming:
      return "/stream";
  }
  return {};
}

// One client, which does one job after another until hangup is gone.
class LoadingClient {
 public:
  LoadingClient(SocketAddress where, std::atomic<int>& jobs, std::uint64_t seed)
      : where_(where), jobs_(jobs), random_(seed), thread_([this] { run(); }) {}
  // REQUIRES: hangup is gone.
  std::map<int, Fate> join() {
    thread_.join();
    return std::move(fates_);
  }

 private:
  void run() {
    for (;;) {
      const int job = jobs_++;
      const auto behaviour = static_cast<Behaviour>(random_() % behaviours);
      Fate& fate = fates_[job] = Fate::unsent;
      try {
        Client client(where_);
        client.send(get(path_of(behaviour), {{"X-Job", std::to_string(job)}}));
        fate = Fate::cut;
        fate = carry_out(client, behaviour);
      } catch (const std::exception&) {  // the connection was refused, reset, or closed without an answer
      }
      if (fate == Fate::unsent || fate == Fate::cut) return;
    }
  }

  Fate carry_out(Client& client, Behaviour behaviour) {
    switch (behaviour) {
      case Behaviour::read_all:
        return client.read_response().complete ? Fate::completed : Fate::cut;
      case Behaviour::leave_waiting:
        std::this_thread::sleep_for(std::chrono::microseconds(random_() % 2000));  // any moment is as good
        client.close();
        return Fate::left;
      case Behaviour::leave_streaming:
        client.read_head();
        client.read_body(1);
        client.close();
        return Fate::left;
      case Behaviour::stay_waiting:
        client.read_response();  // there is none
        return Fate::cut;
      case Behaviour::stay_streaming:
        return client.read_response().complete ? Fate::completed : Fate::cut;
    }
    return Fate::cut;
  }

  SocketAddress where_;
  std::atomic<int>& jobs_;
  std::mt19937_64 random_;
  std::map<int, Fate> fates_;
  std::thread thread_;
};

class Crash : public EndToEnd {
 protected:
  Crash() {
    upstream.on("/quick", respond(200, "done"));
    upstream.on("/silent", never_answer());
    upstream.on("/stream", Script().send(chunked_head() + chunk("some")));
  }

  std::string configuration_with(const std::string& cleanup_url) const {
    Yaml yaml;
    yaml.cleanup_url = cleanup_url + "/stop/{request.header.x-job}";
    // As patient as it takes: what is tried here is that nothing is lost, not when something is given up.
    yaml.cleanup = "expire_after: never, retry: {max_attempts: 1000, backoff: {base: 5ms, max: 100ms}}";
    yaml.drain = "0s";
    return configuration(yaml) + fmt::format("outbox: {{path: \"{}\"}}\n", (dir_ / "outbox.db").string());
  }

  void live(const std::string& cleanup_url) {
    hangup = std::make_unique<Hangup>(configuration_with(cleanup_url));
  }
  void die() {
    hangup->signal(SIGKILL);
    hangup->wait_for_exit();
  }
  // Puts load on hangup, and kills it at some moment of the first 60 ms.
  void live_and_die(const std::string& cleanup_url) {
    live(cleanup_url);
    std::vector<std::unique_ptr<LoadingClient>> clients;
    for (int i = 0; i < 8; ++i) {
      clients.push_back(std::make_unique<LoadingClient>(hangup->where(), jobs_, random_()));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random_() % 60'000));
    die();
    for (const auto& client : clients) fates_.merge(client->join());
  }
  // A last life, without load, delivers all that is owed.
  void deliver_the_rest(const std::string& cleanup_url) {
    live(cleanup_url);
    wait_until_nothing_is_pending();
    hangup->stop();
  }
  void wait_until_nothing_is_pending() const {
    std::string stats;
    const auto is_done = [&] {
      stats = run({binary(), "outbox", "stats", "-c", hangup->configuration_file().string(), "--json"}).out;
      const Json counts = Json::parse(stats).at("states");
      return counts.at("pending") == 0 && counts.at("in_flight") == 0;
    };
    for (int minute = 0; minute < 6; ++minute) {  // there may be thousands
      try {
        return eventually("the outbox to be empty", is_done);
      } catch (const TimedOut&) {
        fmt::print("still pending: {}\n", stats);
      }
    }
    throw TimedOut("the outbox to be empty: " + stats);
  }

  static int job_of(std::string_view text) {
    int job = -1;
    std::from_chars(text.data(), text.data() + text.size(), job);
    return job;
  }

  // The contract, job by job.
  void expect_kept(const std::vector<Call>& calls) const {
    std::map<int, std::set<std::string>> called;  // the webhook-ids of each job
    for (const Call& call : calls) {
      called[job_of(call.message.target.substr(call.message.target.rfind('/') + 1))].insert(
          call.webhook_id());
    }
    std::map<int, std::string> reached;  // what the upstream was asked for by each job
    for (const RequestRecord& request : upstream.requests()) {
      reached[job_of(request.message.header("x-job").value_or(""))] = request.message.target;
    }
    int completed = 0;
    int owed = 0;
    for (const auto& [job, fate] : fates_) {
      const auto ids = called.find(job);
      if (ids != called.end()) {
        EXPECT_EQ(ids->second.size(), 1U) << "job " << job << " has several ids";
      }
      const auto target = reached.find(job);
      if (fate == Fate::completed) {
        ++completed;
        EXPECT_EQ(ids, called.end()) << "a cleanup for job " << job << ", which completed";
      } else if (target != reached.end() && target->second != "/quick") {
        // Of /quick the whole response had come to hangup, or may have: whether the last byte went on to the
        // client's kernel before hangup died, nobody can know.
        ++owed;
        EXPECT_NE(ids, called.end()) << "no cleanup for job " << job << ", fate " << static_cast<int>(fate);
      }
    }
    fmt::print("{} jobs: {} completed, {} owed a cleanup, {} calls\n", fates_.size(), completed, owed,
               calls.size());
    EXPECT_GT(completed, 0);
    EXPECT_GT(owed, 0);
  }

  TempDir dir_;
  std::atomic<int> jobs_ = 0;
  std::map<int, Fate> fates_;
  std::mt19937_64 random_{std::random_device{}()};
};

// How often hangup dies: less where every life takes long.
const int lives = sanitized ? 20 : 200;

TEST_F(Crash, NoCleanupIsLostByAKillAtAnyMoment) {
  for (int life = 0; life < lives; ++life) live_and_die(receiver.url(""));
  deliver_the_rest(receiver.url(""));
  expect_kept(receiver.calls());
}

TEST_F(Crash, NoCleanupIsLostWithTheReceiverDownForTheWholeLifeOfTheProcess) {
  std::optional<RefusingPort> nobody(std::in_place);
  const SocketAddress where = nobody->where();
  const std::string url = nobody->url();
  for (int life = 0; life < lives; ++life) live_and_die(url);
  nobody.reset();
  const Receiver late(where);
  deliver_the_rest(url);
  expect_kept(late.calls());
}

TEST_F(Crash, AnExchangeInFlightEndsAsCrashedAtTheNextStart) {
  live(receiver.url());
  Client client = connect();
  client.send(get("/stream?page=2", {{"X-Job", "7"}}));
  client.read_head();
  client.read_body(4);
  const std::string id = upstream.wait_for_request("/stream").message.header("x-request-id").value();
  die();
  EXPECT_TRUE(receiver.calls().empty());

  live(receiver.url());
  const Call call = receiver.wait_for_call();
  EXPECT_EQ(call.message.target, "/stop/stop/7");
  EXPECT_EQ(call.body.at("type"), "dev.hangup.exchange.crashed");
  EXPECT_EQ(call.body.at("data").at("request_id"), id);
  hangup->stop();
  const auto lines = hangup->access_log("exchange");
  ASSERT_EQ(lines.size(), 1U);
  expect_end(lines[0], "crashed", "streaming_response", 200);
  EXPECT_EQ(lines[0].at("request_id"), id);
  EXPECT_EQ(lines[0].at("path"), "/stream");
  EXPECT_EQ(lines[0].at("cleanup"), Json::array({call.webhook_id()}));
  EXPECT_EQ(receiver.calls().size(), 1U);
}

TEST_F(Crash, WhatHadCompletedIsNotCalledFor) {
  live(receiver.url());
  EXPECT_EQ(connect().exchange(get("/quick", {{"X-Job", "1"}})).body, "done");
  hangup->wait_for_exchange();
  die();
  deliver_the_rest(receiver.url());
  EXPECT_TRUE(receiver.calls().empty());
  EXPECT_TRUE(hangup->access_log("exchange").empty());
}

TEST_F(Crash, ADeliveryOfWhichNobodyKnowsIsMadeAgainWithTheSameId) {
  receiver.server().otherwise(in_turn({never_answer(), respond(204)}));
  live(receiver.url());
  Client client = connect();
  client.send(get("/silent", {{"X-Job", "1"}}));
  upstream.wait_for_request("/silent");
  client.close();
  receiver.wait_for_call();
  die();
  deliver_the_rest(receiver.url());
  const auto calls = receiver.calls();
  ASSERT_EQ(calls.size(), 2U);
  EXPECT_EQ(calls[0].webhook_id(), calls[1].webhook_id());
  EXPECT_EQ(calls[0].body, calls[1].body);
}

}  // namespace
}  // namespace hangup::test
