// hangup outbox: what an operator sees of the deliveries, and does about them, beside a running hangup and
// without one.
#include "e2e/fixture.h"

#include <fmt/format.h>

#include <string>
#include <vector>

namespace hangup::test {
namespace {

class OutboxCommand : public EndToEnd {
 protected:
  Finished outbox(const std::vector<std::string>& arguments) const {
    std::vector<std::string> argv = {binary(), "outbox"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    argv.insert(argv.end(), {"-c", hangup->configuration_file().string()});
    return run(argv);
  }
  Json outbox_json(std::vector<std::string> arguments) const {
    arguments.emplace_back("--json");
    const Finished finished = outbox(arguments);
    EXPECT_EQ(finished.exit.status, 0) << finished.err;
    return Json::parse(finished.out);
  }
  Json states() const { return outbox_json({"stats"}).at("states"); }
  // Until the store's thread has written what came of it.
  void wait_for_state(const std::string& state) const {
    eventually("a delivery that is " + state, [&] { return states().at(state) == 1; });
  }

  void leave_while_waiting() {
    upstream.on("/work", never_answer());
    Client client = connect();
    client.send(get("/work"));
    const RequestRecord request = upstream.wait_for_request("/work");
    client.close();
    upstream.wait_for_close(request);
  }
};

TEST_F(OutboxCommand, RetriesADeadLetterBesideARunningHangup) {
  receiver.server().otherwise(in_turn({respond(404), respond(204)}));
  Yaml yaml;
  yaml.cleanup = R"(headers: {Authorization: "Bearer s3cret", X-Why: "{outcome}"})";
  start(yaml);
  leave_while_waiting();
  wait_for_state("dead");

  const Json dead = outbox_json({"list", "--state", "dead"});
  ASSERT_EQ(dead.size(), 1U);
  EXPECT_EQ(dead[0].at("cleanup"), "stop");
  EXPECT_EQ(dead[0].at("attempts"), 1);
  EXPECT_EQ(dead[0].at("last_status"), 404);
  const std::string id = dead[0].at("webhook_id");
  EXPECT_EQ(id, receiver.calls().at(0).webhook_id());

  const Finished retried = outbox({"retry", id});
  EXPECT_EQ(retried.exit.status, 0) << retried.err;
  EXPECT_EQ(retried.out, "1 delivery will be tried again\n");
  EXPECT_EQ(receiver.wait_for_calls(2).at(1).webhook_id(), id);
  wait_for_state("delivered");
  EXPECT_EQ(states(), (Json{{"pending", 0}, {"in_flight", 0}, {"delivered", 1}, {"dead", 0}}));
}

TEST_F(OutboxCommand, ShowsTheRequestButNoSecret) {
  receiver.server().otherwise(respond(410));
  const TempDir dir;
  write_file(dir / "code", "s3cret-code\n");
  Yaml yaml;
  yaml.cleanup = fmt::format(
      R"(headers: {{Authorization: "Bearer s3cret", X-Why: "{{outcome}}", X-Code: {{file: "{}"}}}})",
      (dir / "code").string());
  start(yaml);
  leave_while_waiting();
  wait_for_state("dead");
  const std::string id = outbox_json({"list"}).at(0).at("webhook_id");

  const Json shown = outbox_json({"show", id});
  EXPECT_EQ(shown.at("request").at("method"), "POST");
  EXPECT_EQ(shown.at("request").at("url"), receiver.url());
  EXPECT_EQ(shown.at("request").at("headers").at("X-Why"), "client_gone");
  EXPECT_EQ(Json::parse(shown.at("request").at("body").get<std::string>()).at("data").at("path"), "/work");
  const Finished text = outbox({"show", id});
  EXPECT_NE(text.out.find("POST " + receiver.url()), std::string::npos) << text.out;
  EXPECT_EQ(text.out.find("s3cret"), std::string::npos) << text.out;
  EXPECT_EQ(shown.dump().find("s3cret"), std::string::npos);
  const Finished table = outbox({"list"});
  EXPECT_NE(table.out.find(id), std::string::npos) << table.out;
  EXPECT_NE(table.out.find("dead"), std::string::npos) << table.out;
}

TEST_F(OutboxCommand, DropsAPendingDeliveryBesideARunningHangup) {
  const RefusingPort nobody;
  Yaml yaml;
  yaml.cleanup_url = nobody.url() + "/stop";
  yaml.cleanup = "retry: {backoff: {base: 1h, max: 1h}}, expire_after: never";
  start(yaml);
  leave_while_waiting();
  Json pending;
  eventually("an attempt that has failed", [&] {
    pending = outbox_json({"list", "--state", "pending"});
    return pending.size() == 1 && pending.at(0).at("attempts") == 1;
  });
  const std::string id = pending.at(0).at("webhook_id");
  EXPECT_EQ(outbox({"drop", id}).out, "1 delivery dropped\n");
  EXPECT_EQ(outbox_json({"list"}), Json::array());
  hangup->stop();
  EXPECT_NE(hangup->log().find(" pending=0\n"), std::string::npos) << hangup->log();
}

TEST_F(OutboxCommand, WorksWithoutARunningHangupToo) {
  receiver.server().otherwise(in_turn({respond(404), respond(204)}));
  const TempDir dir;
  const std::string with_outbox =
      configuration() + fmt::format("outbox: {{path: \"{}\"}}\n", (dir / "outbox.db").string());
  hangup = std::make_unique<Hangup>(with_outbox);
  leave_while_waiting();
  wait_for_state("dead");
  hangup->stop();

  EXPECT_EQ(outbox({"retry", "--all-dead"}).out, "1 delivery will be tried again\n");
  EXPECT_EQ(states().at("pending"), 1);
  hangup = std::make_unique<Hangup>(with_outbox);
  const auto calls = receiver.wait_for_calls(2);
  EXPECT_EQ(calls[0].webhook_id(), calls[1].webhook_id());
  wait_for_state("delivered");
}

TEST_F(OutboxCommand, SaysWhatIsWrong) {
  start();
  const Finished unknown = outbox({"show", "018f6c1e-0"});
  EXPECT_EQ(unknown.exit.status, 5);
  EXPECT_NE(unknown.err.find("there is no delivery 018f6c1e-0"), std::string::npos) << unknown.err;
  const Finished none = outbox({"drop", "018f6c1e-0"});
  EXPECT_EQ(none.exit.status, 5);
  EXPECT_EQ(none.out, "0 deliveries dropped\n");
  EXPECT_EQ(outbox({"retry"}).exit.status, 2);
  EXPECT_EQ(outbox({"list", "--state", "lost"}).exit.status, 2);

  const TempDir dir;
  write_file(dir / "memory.yaml", configuration() + "outbox: {store: memory}\n");
  const Finished memory = run({binary(), "outbox", "list", "-c", (dir / "memory.yaml").string()});
  EXPECT_EQ(memory.exit.status, 5);
  EXPECT_NE(memory.err.find("in memory"), std::string::npos) << memory.err;
  write_file(dir / "nowhere.yaml", configuration() + "outbox: {path: " + (dir / "none.db").string() + "}\n");
  const Finished nowhere = run({binary(), "outbox", "list", "-c", (dir / "nowhere.yaml").string()});
  EXPECT_EQ(nowhere.exit.status, 5);
  EXPECT_NE(nowhere.err.find("there is no " + (dir / "none.db").string()), std::string::npos) << nowhere.err;
}

class CleanupCommand : public OutboxCommand {
 protected:
  Finished test(const std::string& name) const {
    write_file(dir_ / "hangup.yaml", configuration(yaml));
    return run({binary(), "cleanup", "test", name, "-c", (dir_ / "hangup.yaml").string()});
  }

  Yaml yaml;

 private:
  TempDir dir_;
};

TEST_F(CleanupCommand, SendsOneMarkedTestEvent) {
  yaml.cleanup_url = receiver.url("/stop/{request.header.x-job}/{outcome}");
  const Finished finished = test("stop");
  EXPECT_EQ(finished.exit.status, 0) << finished.err;
  EXPECT_NE(finished.out.find("status 204"), std::string::npos) << finished.out;
  const auto calls = receiver.calls();
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_EQ(calls[0].message.target, "/stop/test/test");
  EXPECT_EQ(calls[0].message.header("x-hangup-test"), "true");
  EXPECT_EQ(calls[0].body.at("type"), "dev.hangup.exchange.test");
}

TEST_F(CleanupCommand, SaysThatItWasNotAcknowledged) {
  receiver.server().otherwise(respond(500));
  const Finished finished = test("stop");
  EXPECT_EQ(finished.exit.status, 5);
  EXPECT_NE(finished.out.find("status 500"), std::string::npos) << finished.out;
  EXPECT_EQ(receiver.calls().size(), 1U);
}

TEST_F(CleanupCommand, NamesTheCleanupThatMayBeMeant) {
  const Finished finished = test("stpo");
  EXPECT_EQ(finished.exit.status, 5);
  EXPECT_NE(finished.err.find("no cleanup `stpo`; did you mean `stop`?"), std::string::npos) << finished.err;
}

}  // namespace
}  // namespace hangup::test
