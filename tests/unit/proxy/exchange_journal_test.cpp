// What the journal of exchanges in flight hears, and what cleanups know of JSON bodies.
#include "unit/proxy/exchange_fixture.h"

#include <gmock/gmock.h>

namespace hangup {
namespace {

using testing::AllOf, testing::ElementsAre, testing::Gt, testing::HasSubstr, testing::IsEmpty, testing::Lt;

class JournalTest : public ExchangeTest {
 protected:
  void call(const std::string& url) {
    auto cleanup = std::make_shared<config::Cleanup>();
    cleanup->name = "stop";
    cleanup->url = text_template(url);
    cleanup->method = "DELETE";
    cleanup->body_kind = config::Cleanup::Body::none;
    route.on_disconnect.cleanups = {cleanup};
  }
  // The clients of so many requests.
  std::vector<std::unique_ptr<test::FakeClient>> many_clients(std::size_t count) {
    std::vector<std::unique_ptr<test::FakeClient>> clients;
    for (std::size_t i = 0; i < count; ++i) {
      get_and_connect();
      clients.push_back(std::move(client));
    }
    return clients;
  }
  // The same, all of which have just left.
  std::vector<std::unique_ptr<test::FakeClient>> leave_at_once(std::size_t count) {
    auto clients = many_clients(count);
    for (const auto& each : clients) each->observer->on_gone(scheduler.now());
    return clients;
  }
  // What was told since the last time.
  std::vector<std::string> told() { return std::exchange(journal.told, {}); }
};

TEST_F(JournalTest, HearsOfAnExchangeBeforeItsFirstByteGoesToAServer) {
  get();
  EXPECT_THAT(told(), IsEmpty());
  observer().on_connecting(server());
  EXPECT_THAT(told(), IsEmpty());
  observer().on_connected(server());
  EXPECT_THAT(told(), ElementsAre("enter", "phase sending_request", "phase awaiting_response"));
  EXPECT_THAT(journal.snapshots.front(), HasSubstr("/jobs/17"));
}

TEST_F(JournalTest, HearsThatAResponseIsFinishingBeforeTheKernelHasItsLastByte) {
  get_and_connect();
  respond();
  told();
  observer().on_response_body("0123456789", true, {});
  EXPECT_THAT(told(), ElementsAre("finishing", "leave"));
}

TEST_F(JournalTest, HearsThatAResponseIsNotFinishingWhileTheKernelDoesNotTakeItsEnd) {
  get_and_connect();
  respond();
  told();
  client->room = 4;
  observer().on_response_body("0123456789", true, {});
  EXPECT_THAT(told(), ElementsAre("finishing", "not finishing"));
  client->drain();
  EXPECT_THAT(told(), ElementsAre("finishing", "leave"));
}

TEST_F(JournalTest, IsLeftWhenWhatIsOwedIsInTheOutbox) {
  get_and_connect();
  bool owed = false;
  journal.on_leave = [&] { owed = !outbox.deliveries.empty(); };
  client->observer->on_gone(scheduler.now());
  scheduler.run();
  EXPECT_EQ(journal.told.back(), "leave");
  EXPECT_TRUE(owed);
  EXPECT_EQ(std::ranges::count(journal.told, "leave"), 1);
}

TEST_F(JournalTest, OfManyThatLeaveAtOnceEachServerHearsBeforeTheFirstCleanupIsMade) {
  const auto clients = leave_at_once(3);
  for (const auto& request : fake_upstream->requests) EXPECT_TRUE(request->aborted);
  EXPECT_THAT(outbox.deliveries, IsEmpty());
  EXPECT_EQ(std::ranges::count(journal.told, "leave"), 0);
  EXPECT_EQ(cleanups().size(), 3U);
  EXPECT_EQ(std::ranges::count(journal.told, "leave"), 3);
}

TEST_F(JournalTest, OfManyThatLeaveAtOnceCleanupsAreMadeInPortionsSoThatOthersGetTheirTurn) {
  constexpr std::size_t many = 100;
  const auto clients = leave_at_once(many);
  std::size_t made = 0;
  std::unique_ptr<Timer> others;
  others = scheduler.make_timer([&] {
    made = outbox.deliveries.size();
    if (made == 0) others->set(scheduler.now());
  });
  others->set(scheduler.now());
  EXPECT_EQ(cleanups().size(), many);
  EXPECT_THAT(made, AllOf(Gt(0U), Lt(many)));
}

TEST_F(JournalTest, WhereSomeLeaveInEachTurnTheServersHearFirstForSomeMilliseconds) {
  constexpr std::size_t turns = 10;
  const auto clients = many_clients(2 * turns);
  std::vector<std::size_t> made;
  std::unique_ptr<Timer> leaving;
  leaving = scheduler.make_timer([&] {
    for (const std::size_t i : {2 * made.size(), 2 * made.size() + 1})
      clients[i]->observer->on_gone(scheduler.now());
    made.push_back(outbox.deliveries.size());
    scheduler.let_pass(std::chrono::milliseconds(1));
    if (made.size() < turns) leaving->set(scheduler.now());
  });
  leaving->set(scheduler.now());
  EXPECT_EQ(cleanups().size(), clients.size());
  EXPECT_EQ(made[3], 0U);
  EXPECT_GT(made[7], 0U);
}

TEST_F(JournalTest, MakesThemAllWhenTheTimeToDrainRunsOut) {
  constexpr std::size_t many = 100;
  const auto clients = leave_at_once(many);
  proxy->shut_down();
  EXPECT_EQ(outbox.deliveries.size(), many);
}

TEST_F(JournalTest, IsLeftAlsoWhenNothingIsOwed) {
  get_and_connect();
  observer().on_failed({upstream::Failure::Kind::invalid, "no HTTP", false});
  EXPECT_EQ(told().back(), "leave");
  EXPECT_THAT(cleanups(), IsEmpty());
}

TEST_F(JournalTest, HasARetriedExchangeOnce) {
  get_and_connect();
  observer().on_failed({upstream::Failure::Kind::reset, "closed", true});
  told();
  observer().on_connecting(server());
  observer().on_connected(server());
  EXPECT_THAT(told(),
              ElementsAre("phase connecting", "phase sending_request", "replace", "phase awaiting_response"));
}

TEST_F(JournalTest, IsNotToldOfExchangesThatACrashOwesNothing) {
  route.cleanup_on = {Outcome::client_gone};
  get_and_connect();
  respond();
  observer().on_response_body("0123456789", true, {});
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(JournalTest, IsNotToldOfExchangesThatItHasNoPlaceFor) {
  journal.full = true;
  get_and_connect();
  respond();
  observer().on_response_body("0123456789", true, {});
  EXPECT_THAT(told(), ElementsAre("enter"));
}

TEST_F(JournalTest, IsNotToldMoreOfAResponseThatNoCleanupNames) {
  get_and_connect();
  told();
  respond("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n");
  observer().on_response_body("{\"id\":1", false, {});
  EXPECT_THAT(told(), ElementsAre("phase streaming_response"));
}

TEST_F(JournalTest, HearsOfTheResponsesHeadAndOfAFieldOfItsBody) {
  call("http://127.0.0.1:9/jobs/{response.json.id}");
  get_and_connect();
  told();
  respond("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n");
  scheduler.run();
  EXPECT_THAT(told(), ElementsAre("phase streaming_response", "replace"));
  observer().on_response_body("{\"id\":\"se", false, {});
  EXPECT_THAT(told(), IsEmpty());
  observer().on_response_body("ven\",", false, {});
  EXPECT_THAT(told(), ElementsAre("replace"));
  EXPECT_THAT(journal.snapshots.back(), HasSubstr("seven"));
}

TEST_F(JournalTest, HearsOfTheResponsesHeadBeforeTheClientSeesAnyOfIt) {
  call("http://127.0.0.1:9/jobs/{response.header.x-job}");
  get_and_connect();
  respond("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
  told();
  journal.on_replace = [this] { EXPECT_EQ(client->body, ""); };
  observer().on_response_body("o", false, {});
  EXPECT_THAT(told(), ElementsAre("replace"));
  EXPECT_EQ(client->body, "o");
}

TEST_F(JournalTest, IsNotToldOfTheResponseOfAnExchangeThatEndsWithItAtOnce) {
  call("http://127.0.0.1:9/jobs/{response.header.x-job}");
  get_and_connect();
  told();
  respond("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
  observer().on_response_body("ok", true, {});
  scheduler.run();
  EXPECT_THAT(told(), ElementsAre("phase streaming_response", "finishing", "leave"));
}

TEST_F(JournalTest, IsNotToldOfAResponseThatGoesAtTheEndOfTheTurn) {
  call("http://127.0.0.1:9/jobs/{response.header.x-job}");
  get_and_connect();
  told();
  client->holds_back = true;
  respond("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
  observer().on_response_body("ok", true, {});
  scheduler.run();
  client->drain();
  EXPECT_THAT(told(), ElementsAre("phase streaming_response", "finishing", "leave"));
}

TEST_F(JournalTest, IsToldOfAResponseThatTheKernelDoesNotTakeAtTheEndOfTheTurn) {
  call("http://127.0.0.1:9/jobs/{response.header.x-job}");
  get_and_connect();
  told();
  client->holds_back = true;
  respond("HTTP/1.1 200 OK\r\nX-Job: 17\r\nContent-Length: 2\r\n\r\n");
  observer().on_response_body("ok", true, {});
  scheduler.run();
  client->observer->on_finishing(true);
  client->observer->on_finishing(false);
  EXPECT_THAT(told(), ElementsAre("phase streaming_response", "finishing", "replace", "not finishing"));
  EXPECT_THAT(journal.snapshots.back(), HasSubstr("/jobs/17"));
}

TEST_F(JournalTest, HearsOfAFieldOfTheRequestsBody) {
  call("http://127.0.0.1:9/jobs/{request.json.id}");
  send("POST /jobs/1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n");
  observer().on_connected(server());
  told();
  client->observer->on_request_body("{\"id\":\"seven\",", false);
  EXPECT_THAT(told(), ElementsAre("replace"));
  EXPECT_THAT(journal.snapshots.back(), HasSubstr("seven"));
}

TEST_F(JournalTest, ACleanupKnowsAFieldOfTheResponseThatCameBeforeTheCut) {
  call("http://127.0.0.1:9/jobs/{response.json.id}");
  get_and_connect();
  respond("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n");
  observer().on_response_body("{\"id\":\"a/b c\",\"rest", false, {});
  EXPECT_EQ(client->body, "{\"id\":\"a/b c\",\"rest");
  client->observer->on_gone(scheduler.now());
  ASSERT_EQ(cleanups().size(), 1U);
  EXPECT_EQ(cleanups().front().url, "http://127.0.0.1:9/jobs/a%2Fb%20c");
}

TEST_F(JournalTest, ACleanupIsSkippedWhenTheFieldDidNotCome) {
  call("http://127.0.0.1:9/jobs/{response.json.id}");
  get_and_connect();
  respond("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n");
  observer().on_response_body("{\"id\":\"se", false, {});
  client->observer->on_gone(scheduler.now());
  EXPECT_THAT(cleanups(), IsEmpty());
  EXPECT_EQ(log_line()["cleanup"], "skipped: {response.json.id} has no value");
}

TEST_F(JournalTest, ACleanupKnowsAFieldOfARequestWhoseBodyWasEdited) {
  call("http://127.0.0.1:9/jobs/{request.json.id}");
  route.request.set_json = {{"id", text_template("planted")}};
  send("POST /jobs/1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n");
  client->observer->on_request_body("{\"id\":7}", true);
  observer().on_connected(server());
  EXPECT_EQ(request().body, R"({"id":"planted"})");
  client->observer->on_gone(scheduler.now());
  ASSERT_EQ(cleanups().size(), 1U);
  EXPECT_EQ(cleanups().front().url, "http://127.0.0.1:9/jobs/7");
}

}  // namespace
}  // namespace hangup
