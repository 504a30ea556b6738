// Cleanups whose receiver is at an address that is not allowed, as an operator sees it.
#include "e2e/fixture.h"

namespace hangup::test {
namespace {

class AllowedReceiver : public EndToEnd {
 protected:
  // A client that leaves; the end of the one attempt.
  Json attempt_after_leaving(const std::string& configuration) {
    upstream.on("/work", never_answer());
    hangup = std::make_unique<Hangup>(configuration);
    Client client = connect();
    client.send(get("/work"));
    upstream.wait_for_request("/work");
    client.close();
    return hangup->wait_for_log("the attempt", [](const Json& line) { return line.at("type") == "cleanup"; });
  }
  Yaml with_cleanup(const std::string& members) const {
    Yaml yaml;
    yaml.cleanup = members;
    return yaml;
  }
};

TEST_F(AllowedReceiver, IsNeverConnectedToElsewhereAndTheOutboxSaysWhy) {
  const std::string where = receiver.server().where().to_string();
  const std::string error = "address not allowed: " + where + " is in no network of `allow`";
  const Json attempt = attempt_after_leaving(configuration() + "receivers: {allow: [10.0.0.0/8]}\n");
  EXPECT_EQ(attempt.at("result"), "dead");
  EXPECT_EQ(attempt.at("attempt"), 1);
  EXPECT_EQ(attempt.at("error"), error);
  const std::vector<std::string> list = {binary(), "outbox", "list",
                                         "--json", "-c",     hangup->configuration_file().string()};
  Json dead;
  eventually("the dead letter in the outbox", [&] {
    dead = Json::parse(run(list).out);
    return dead.size() == 1 && dead[0].at("state") == "dead";
  });
  EXPECT_EQ(dead[0].at("dead_reason"), error);
  EXPECT_TRUE(receiver.server().connections().empty());
}

TEST_F(AllowedReceiver, IsConnectedToInsideOfTheList) {
  const Json attempt = attempt_after_leaving(configuration(with_cleanup("allow: [127.0.0.0/8]")) +
                                             "receivers: {allow: [10.0.0.0/8]}\n");
  EXPECT_EQ(attempt.at("result"), "delivered");
}

TEST_F(AllowedReceiver, HoldsForTheSameServerToo) {
  Yaml yaml = with_cleanup("to: same_server, allow: [10.0.0.0/8]");
  yaml.cleanup_url = "/stop";
  EXPECT_EQ(attempt_after_leaving(configuration(yaml)).at("result"), "dead");
  EXPECT_EQ(upstream.request_count(), 1U);
}

}  // namespace
}  // namespace hangup::test
