// Servers that are names, whose addresses change while hangup runs.
#include "e2e/admin_fixture.h"
#include "e2e/name_load.h"
#include "support/dns_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <string_view>

namespace hangup::test {
namespace {

class Names : public AdminTest {
 protected:
  // Two servers at the same port of two addresses, so that a name alone decides.
  Names() : second({.address = "127.0.0.2:" + port()}) {
    upstream.on("/name", respond(200, "first"));
    second.on("/name", respond(200, "second"));
  }
  std::string port() const { return std::to_string(upstream.where().port()); }
  void start_named(const std::string& more = {}) {
    Yaml yaml;
    yaml.servers = "\"http://app.test:" + port() + '"';
    yaml.upstream = "resolve: 20ms" + more;
    start_with("resolver: \"" + dns.where() + "\"\n", yaml);
  }
  std::string sample(const std::string& name, const std::string& more = {}) const {
    return fmt::format("{}{{upstream=\"app\",server=\"http://app.test:{}\"{}}}", name, port(), more);
  }
  std::string who_answers() const {
    const Response response = connect().exchange(get("/name"));
    return response.status == 200 ? response.body : std::to_string(response.status);
  }

  DnsServer dns;
  MockUpstream second;
};

TEST_F(Names, LeadToAnotherAddressWithoutARestart) {
  dns.set("app.test", {"127.0.0.1"});
  start_named();
  EXPECT_EQ(who_answers(), "first");
  EXPECT_EQ(upstream.wait_for_request("/name").message.header("Host"), "test.example");
  dns.set("app.test", {"127.0.0.2"});
  upstream.wait_for_closes(1);  // it was idle, and leads to nowhere any more
  EXPECT_EQ(who_answers(), "second");
  eventually("the log's line", [&] {
    return hangup->log().contains(fmt::format("server=http://app.test:{0} is at 127.0.0.2:{0}", port()));
  });
}

TEST_F(Names, MoveTheLoadToAnotherAddressWithoutAFailedRequest) {
  dns.set("app.test", {"127.0.0.1"});
  start_named();
  const NameLoad load([this] { return connect(); });
  for (const bool to_second : {true, false, true}) {
    const MockUpstream& from = to_second ? upstream : second;
    const MockUpstream& to = to_second ? second : upstream;
    load.go_on();
    const std::size_t before = to.request_count();
    dns.set("app.test", {to_second ? "127.0.0.2" : "127.0.0.1"});
    eventually("the change", [&] { return to.request_count() > before; });
    eventually("the other worker to follow", [&] {
      const std::size_t late = from.request_count();
      load.go_on();
      return from.request_count() == late;
    });
    const std::size_t late = from.request_count();
    load.go_on();
    EXPECT_EQ(from.request_count(), late) << "an address that was removed gets no new requests";
  }
  EXPECT_EQ(load.failed(), 0U);
}

TEST_F(Names, AnExchangeInFlightKeepsItsConnection) {
  dns.set("app.test", {"127.0.0.1"});
  start_named();
  Client client = connect();
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  dns.set("app.test", {"127.0.0.2"});
  eventually("the change", [&] { return who_answers() == "second"; });
  upstream.send(request, response(200, "done"));
  EXPECT_EQ(client.read_response().body, "done");
  upstream.wait_for_close(request);  // and no other request gets it
}

// A cleanup goes where the work is, which of a name with several addresses one knows; also after a crash.
class NamesOfReceivers : public Names {
 protected:
  NamesOfReceivers() {
    dns.set("app.test", {"127.0.0.1", "127.0.0.2"});
    for (MockUpstream* server : {&upstream, &second}) server->on("/work", never_answer());
  }
  void start_with_cleanup(const std::string& to) {
    Yaml yaml;
    yaml.servers = "\"http://app.test:" + port() + '"';
    yaml.cleanup = "to: " + to;
    yaml.cleanup_url = "/stop";
    start_with(fmt::format("resolver: \"{}\"\noutbox: {{path: \"{}\"}}\n", dns.where(),
                           (dir / "outbox.db").string()),
               yaml);
  }
  static bool has(const MockUpstream& server, std::string_view target) {
    return std::ranges::any_of(server.requests(),
                               [&](const RequestRecord& each) { return each.message.target == target; });
  }
  // A request under way, and the server that has it.
  MockUpstream& ask(Client& client) {
    client.send(get("/work"));
    eventually("the request", [&] { return has(upstream, "/work") || has(second, "/work"); });
    return has(upstream, "/work") ? upstream : second;
  }
  MockUpstream& other_than(const MockUpstream& server) { return &server == &upstream ? second : upstream; }

  const TempDir dir;
};

TEST_F(NamesOfReceivers, LeadToTheServerThatHadTheRequest) {
  start_with_cleanup("same_server");
  Client client = connect();
  const MockUpstream& its = ask(client);
  client.close();
  EXPECT_EQ(its.wait_for_request("/stop").message.header("Host"), "app.test:" + port());
  drain();
  EXPECT_FALSE(has(other_than(its), "/stop"));
}

TEST_F(NamesOfReceivers, LeadThereAlsoAfterACrash) {
  start_with_cleanup("same_server");
  Client client = connect();
  const MockUpstream& its = ask(client);
  hangup->signal(SIGKILL);
  hangup->wait_for_exit();
  start_with_cleanup("same_server");
  its.wait_for_request("/stop");
  drain();
  EXPECT_FALSE(has(other_than(its), "/stop"));
}

TEST_F(NamesOfReceivers, LeadToEachOfTheirAddresses) {
  start_with_cleanup("every_server");
  Client client = connect();
  ask(client);
  client.close();
  upstream.wait_for_request("/stop");
  second.wait_for_request("/stop");
}

TEST_F(Names, KeepTheirAddressWhileTheyCanNotBeLookedUp) {
  dns.set("app.test", {"127.0.0.1"});
  start_named();
  EXPECT_EQ(who_answers(), "first");
  dns.forget("app.test");
  eventually("failed lookups",
             [&] { return value(sample("hangup_server_lookups_total", ",result=\"not_found\"")) >= 3; });
  EXPECT_EQ(who_answers(), "first");
  EXPECT_EQ(value(sample("hangup_server_up")), 1);
  eventually("the log's line", [&] { return hangup->log().contains("cannot look up app.test"); });
  const std::string log = hangup->log();
  const std::size_t said = log.find("cannot look up app.test");
  EXPECT_EQ(log.find("cannot look up app.test", said + 1), std::string::npos) << log;
}

TEST_F(Names, ThatCanNotBeLookedUpAtTheStartAreServersThatAreDown) {
  start_named(", required: true");
  EXPECT_EQ(who_answers(), "502");
  EXPECT_FALSE(is_ready());
  EXPECT_EQ(value(sample("hangup_server_addresses")), 0);
  dns.set("app.test", {"127.0.0.1"});
  eventually("the name", [&] { return is_ready(); });
  EXPECT_EQ(who_answers(), "first");
  EXPECT_EQ(value(sample("hangup_server_addresses")), 1);
}

TEST_F(Names, AllTheirAddressesAreUsedInTurnAndThoseThatRefuseCostNothing) {
  dns.set("app.test", {"127.0.0.1", "127.0.0.2", "127.0.0.3"});  // nobody is at the last one
  start_named(", connections: {keepalive: 0}");
  std::map<std::string, int> answers;
  for (int i = 0; i < 20; ++i) ++answers[who_answers()];
  EXPECT_EQ(answers.size(), 2U);
  EXPECT_GE(answers["first"], 4);
  EXPECT_GE(answers["second"], 4);
  EXPECT_EQ(value(sample("hangup_server_up")), 1);
}

TEST_F(Names, OneOfTheirAddressesThatRefusesIsTriedLast) {
  dns.set("app.test", {"127.0.0.1", "127.0.0.3"});  // nobody is at the second one
  start_named(", connections: {keepalive: 0}");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(who_answers(), "first");
  EXPECT_LE(value(sample("hangup_server_connects_total", ",result=\"failed\"")), 2);  // one of each worker
}

TEST_F(Names, PassTheirChecksWithOneAddressThatAnswers) {
  dns.set("app.test", {"127.0.0.3", "127.0.0.1"});  // nobody is at the first one
  start_named(", required: true, health: {path: /name, interval: 100ms}");
  eventually("a server that is up", [&] { return is_ready(); });
  EXPECT_EQ(who_answers(), "first");
}

TEST_F(Names, ThatAReloadBringsAreKnownBeforeTheirRequestsCome) {
  start_with("resolver: \"" + dns.where() + "\"\n");
  EXPECT_EQ(connect().exchange(get("/quick")).body, "quick");
  dns.set("app.test", {"127.0.0.2"});
  Yaml yaml;
  yaml.servers = "\"http://app.test:" + port() + '"';
  ASSERT_TRUE(hangup->reload(configuration(yaml) + "admin: {address: \"127.0.0.1:0\"}\nresolver: \"" +
                             dns.where() + "\"\n"));
  EXPECT_EQ(who_answers(), "second");
}

}  // namespace
}  // namespace hangup::test
