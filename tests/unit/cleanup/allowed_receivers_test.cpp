// Where deliveries may go: the addresses that are connected to, whatever name or template led there.
#include "scripted_receiver.h"
#include "support/capturing_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include <hangup/cleanup/cleanup.h>

namespace hangup::cleanup {
namespace {

using namespace std::chrono_literals;
using test::ScriptedReceiver;

class AllowedReceivers : public testing::Test {
 protected:
  AllowedReceivers() { cleanup.name = "stop"; }

  // With three attempts; false when it is a dead letter.
  bool deliver(const std::string& url, const std::string& socket = "", const std::string& by = "stop") {
    if (!outbox) {
      config.cleanups.push_back(std::make_shared<config::Cleanup>(cleanup));
      outbox = std::make_unique<MemoryOutbox>(MemoryOutbox::Options{}, load_credentials(config).value(),
                                              access.logger, log.logger);
    }
    Delivery delivery;
    delivery.id = "msg_1";
    delivery.cleanup = by;
    delivery.method = "POST";
    delivery.url = url;
    delivery.socket = socket;
    delivery.headers = {{"webhook-id", "msg_1"}, {"webhook-timestamp", "0"}};
    delivery.timeout = 10s;
    delivery.retry = {.max_attempts = 3, .backoff_base = 1ms, .backoff_max = 1ms};
    const auto before = outbox->counts().delivered;
    outbox->add({std::move(delivery)});
    EXPECT_TRUE(outbox->drain(30s));
    return outbox->counts().delivered == before + 1;
  }
  nlohmann::json last_line() const { return nlohmann::json::parse(access.messages().back()); }
  void expect_refused(const std::string& address) {
    EXPECT_EQ(last_line().at("error"), "address not allowed: " + address + " is in no network of `allow`");
    EXPECT_EQ(last_line().at("result"), "dead");
    EXPECT_EQ(last_line().at("attempt"), 1) << "it is final";
  }
  static Networks networks(std::initializer_list<const char*> texts) {
    Networks all;
    for (const char* text : texts) all.add(Network::parse(text).value());
    return all;
  }

  test::CapturingLogger access;
  test::CapturingLogger log;
  config::Config config;
  config::Cleanup cleanup;
  std::unique_ptr<MemoryOutbox> outbox;
  ScriptedReceiver receiver{[](int, const auto&) { return ScriptedReceiver::respond("200 OK"); }};
  std::string port = std::to_string(receiver.port());
};

TEST_F(AllowedReceivers, AreAllWithoutAList) {
  EXPECT_TRUE(deliver(receiver.url()));
}

TEST_F(AllowedReceivers, OutsideOfTheListNothingIsSentAndNothingTriedAgain) {
  config.receivers = networks({"10.0.0.0/8"});
  EXPECT_FALSE(deliver(receiver.url()));
  expect_refused("127.0.0.1:" + port);
  EXPECT_FALSE(deliver("http://169.254.169.254/latest/meta-data/"));
  expect_refused("169.254.169.254:80");
  EXPECT_TRUE(receiver.requests().empty());
}

TEST_F(AllowedReceivers, AreJudgedByTheAddressThatANameHas) {
  config.receivers = networks({"10.0.0.0/8", "::2"});
  EXPECT_FALSE(deliver("http://localhost:" + port + "/"));
  EXPECT_TRUE(last_line().at("error").get<std::string>().starts_with("address not allowed: "));
  EXPECT_TRUE(receiver.requests().empty());
}

TEST_F(AllowedReceivers, OfANamesAddressesTheAllowedOnesAreTried) {
  config.receivers = networks({"127.0.0.0/8"});
  EXPECT_TRUE(deliver("http://localhost:" + port + "/"));
}

TEST_F(AllowedReceivers, AnIpv4AddressInIpv6IsTheIpv4Address) {
  config.receivers = networks({"::/0"});
  EXPECT_FALSE(deliver("http://[::ffff:127.0.0.1]:" + port + "/"));
  EXPECT_TRUE(receiver.requests().empty());
}

TEST_F(AllowedReceivers, TheCleanupsOwnListOverrides) {
  config.receivers = networks({"10.0.0.0/8"});
  cleanup.allow = networks({"127.0.0.1"});
  EXPECT_TRUE(deliver(receiver.url()));
}

TEST_F(AllowedReceivers, AConnectionOfACleanupThatMayIsNotLentToOneThatMayNot) {
  config::Cleanup other = cleanup;
  other.name = "other";
  other.allow = networks({"10.0.0.0/8"});
  config.cleanups.push_back(std::make_shared<config::Cleanup>(other));
  EXPECT_TRUE(deliver(receiver.url()));
  EXPECT_FALSE(deliver(receiver.url(), "", "other"));
  EXPECT_EQ(receiver.requests().size(), 1U);
}

TEST_F(AllowedReceivers, ACleanupThatTheConfigurationHasNoMoreKeepsToTheCommonList) {
  config.receivers = networks({"10.0.0.0/8"});
  EXPECT_FALSE(deliver(receiver.url(), "", "gone"));
  expect_refused("127.0.0.1:" + port);
}

TEST_F(AllowedReceivers, UnixSocketsHaveAWordOfTheirOwn) {
  config.receivers = networks({"0.0.0.0/0", "::/0"});
  EXPECT_FALSE(deliver("http://localhost/", "/run/nobody.sock"));
  expect_refused("unix:/run/nobody.sock");
  outbox.reset();
  config.receivers = networks({"unix"});
  EXPECT_FALSE(deliver("http://localhost/", "/run/nobody.sock"));
  EXPECT_TRUE(last_line().at("error").get<std::string>().contains("No such file")) << last_line();
}

}  // namespace
}  // namespace hangup::cleanup
