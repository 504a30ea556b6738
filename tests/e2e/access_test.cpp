// Who is let in, as clients, backends and operators see it.
#include "e2e/fixture.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <openssl/evp.h>

#include <atomic>
#include <csignal>
#include <thread>

namespace hangup::test {
namespace {

using testing::ElementsAre, testing::HasSubstr, testing::IsEmpty, testing::Not, testing::SizeIs;

std::string sha256_hex(const std::string& text) {
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), hash, &size, EVP_sha256(), nullptr);
  return fmt::format("{:02x}", fmt::join(hash, hash + size, ""));
}

FieldList bearer(const std::string& token) {
  return {{"Authorization", "Bearer " + token}};
}

class AccessControl : public EndToEnd {
 protected:
  void write_tokens(const std::string& token, const std::string& name) {
    write_file(dir_ / "tokens", "# test\n" + sha256_hex(token) + " " + name + "\n");
  }
  Hangup& start_with_auth(const Yaml& yaml = {}, const std::string& auth = "", const std::string& more = "") {
    hangup = std::make_unique<Hangup>(configuration(yaml) + "auth: {bearer_tokens_file: \"" +
                                      (dir_ / "tokens").string() + "\"" + auth + "}\n" + more);
    return *hangup;
  }
  // curl, with what it prints of the response's head and the status last.
  std::string curl(std::vector<std::string> arguments) const {
    std::vector<std::string> argv = {"curl", "-s", "-i", "--max-time", "20", "-w", "%{http_code}"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    argv.push_back(hangup->url("/work"));
    return ::hangup::test::run(argv).out;
  }
  void reload(const std::string& until) const {
    hangup->signal(SIGHUP);
    eventually("hangup to say: " + until, [&] { return hangup->log().contains(until); });
  }
  TempDir dir_;
};

TEST_F(AccessControl, CurlWithoutATokenGets401AndWithOneThePage) {
  write_tokens("opensesame", "anna");
  upstream.otherwise(respond(200, "the page"));
  start_with_auth({.route = "request: {set_header: {X-User: \"{auth.name}\"}}", .workers = 1});
  const std::string refused = curl({});
  EXPECT_THAT(refused, testing::EndsWith("401"));
  EXPECT_THAT(refused, HasSubstr("\r\nWWW-Authenticate: Bearer realm=\"hangup\"\r\n"));
  EXPECT_THAT(curl({"-H", "Authorization: Bearer closesesame"}),
              HasSubstr("\r\nWWW-Authenticate: Bearer realm=\"hangup\", error=\"invalid_token\"\r\n"));
  EXPECT_THAT(upstream.requests(), IsEmpty());
  EXPECT_THAT(curl({"--oauth2-bearer", "opensesame"}), HasSubstr("the page"));
  ASSERT_THAT(upstream.requests(), SizeIs(1));
  EXPECT_FALSE(upstream.requests().front().message.has("Authorization"));
  EXPECT_EQ(upstream.requests().front().message.header("X-User"), "anna");
  hangup->stop();
  const auto exchanges = hangup->access_log("exchange");
  ASSERT_THAT(exchanges, SizeIs(3));
  EXPECT_EQ(exchanges[0].at("outcome"), "rejected");
  EXPECT_TRUE(exchanges[0].at("user").is_null());
  EXPECT_EQ(exchanges[2].at("user"), "anna");
}

TEST_F(AccessControl, ABodyIsNeitherAskedForNorWaitedForWithoutAToken) {
  write_tokens("opensesame", "anna");
  start_with_auth();
  Client client = connect();
  client.send("POST /work HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n");
  const Response response = client.read_response("POST");
  EXPECT_EQ(response.status, 401);
  EXPECT_THAT(response.interim, IsEmpty());
  EXPECT_THAT(upstream.connections(), IsEmpty());
}

TEST_F(AccessControl, ATokenIsForwardedWhenAsked) {
  write_tokens("opensesame", "anna");
  start_with_auth({}, ", forward_authorization: true");
  EXPECT_EQ(connect().exchange(get("/work", bearer("opensesame"))).status, 200);
  EXPECT_EQ(upstream.requests().front().message.header("Authorization"), "Bearer opensesame");
}

TEST_F(AccessControl, ARouteThatSaysSoNeedsNoToken) {
  write_tokens("opensesame", "anna");
  start_with_auth({.route = "auth: none"});
  EXPECT_EQ(connect().exchange(get("/work", bearer("of-the-backend"))).status, 200);
  EXPECT_EQ(upstream.requests().front().message.header("Authorization"), "Bearer of-the-backend");
}

TEST_F(AccessControl, NoSpellingOfAPathLeadsFromAnOpenRouteToAGuardedOne) {
  write_tokens("opensesame", "anna");
  start_with_auth({.match = "path: \"/public/*\"", .route = "auth: none", .workers = 1});
  for (const char* path : {"/public/..%2fadmin/secret", "/public/..%5cadmin", "/public//../admin",
                           "/public/..;/admin", "/public/%2e%2e/public/x"}) {
    const Response response = connect().exchange(get(path));
    EXPECT_EQ(response.status, 400) << path;
    EXPECT_THAT(response.body, HasSubstr("the path can be read in more than one way")) << path;
  }
  EXPECT_EQ(connect().exchange(get("/public/../admin")).status, 404);
  EXPECT_THAT(upstream.connections(), IsEmpty());
  EXPECT_EQ(connect().exchange(get("/admin/../public/page?a=/../b")).status, 200);
  ASSERT_THAT(upstream.requests(), SizeIs(1));
  EXPECT_EQ(upstream.requests().front().message.target, "/public/page?a=/../b");
  hangup->stop();
  EXPECT_EQ(hangup->access_log("exchange").front().at("outcome"), "rejected");
}

TEST_F(AccessControl, ARouteWhoseServerReadsPathsAsTheyStandMayLetThemThrough) {
  write_tokens("opensesame", "anna");
  start_with_auth({.route = "auth: none, ambiguous_paths: allow"});
  EXPECT_EQ(connect().exchange(get("/repository/group%2Fname//file")).status, 200);
  EXPECT_EQ(upstream.requests().front().message.target, "/repository/group%2Fname//file");
}

TEST_F(AccessControl, ClientsOfOtherNetworksGet403) {
  start({.listener = "trusted_proxies: [127.0.0.0/8]", .route = "allow: [10.0.0.0/8]", .workers = 1});
  EXPECT_EQ(connect().exchange(get("/work")).status, 403);
  EXPECT_EQ(connect().exchange(get("/work", {{"X-Forwarded-For", "192.0.2.7"}})).status, 403);
  EXPECT_THAT(upstream.connections(), IsEmpty());
  EXPECT_EQ(connect().exchange(get("/work", {{"X-Forwarded-For", "192.0.2.7, 10.1.2.3"}})).status, 200);
  const Message request = upstream.requests().front().message;
  EXPECT_EQ(request.header("X-Forwarded-For"), "10.1.2.3, 127.0.0.1");
  hangup->stop();
  const auto exchanges = hangup->access_log("exchange");
  ASSERT_THAT(exchanges, SizeIs(3));
  EXPECT_EQ(exchanges[1].at("client"), "192.0.2.7");
  EXPECT_EQ(exchanges[1].at("outcome"), "rejected");
  EXPECT_THAT(exchanges[1].at("peer").get<std::string>(), testing::StartsWith("127.0.0.1:"));
  EXPECT_EQ(exchanges[2].at("client"), "10.1.2.3");
}

TEST_F(AccessControl, NobodyIsBelievedUnlessTrusted) {
  start({.route = "allow: [10.0.0.0/8]"});
  for (const FieldList& said :
       {FieldList{{"X-Forwarded-For", "10.1.2.3"}}, FieldList{{"Forwarded", "for=10.1.2.3"}},
        FieldList{{"X-Real-IP", "10.1.2.3"}}, FieldList{{"X_Forwarded_For", "10.1.2.3"}}}) {
    EXPECT_EQ(connect().exchange(get("/work", said)).status, 403);
  }
}

TEST_F(AccessControl, AUnixPeerIsCalledUnix) {
  const std::string socket = (dir_ / "in.sock").string();
  start({.address = "unix:" + socket, .route = "allow: [unix]"});
  EXPECT_EQ(connect().exchange(get("/work")).status, 200);
}

TEST_F(AccessControl, TokensAreReadAgainOnSighupWhileRequestsRun) {
  write_tokens("first", "anna");
  start_with_auth({.workers = 2});
  std::atomic<bool> done = false;
  std::atomic<int> served = 0;
  std::atomic<int> other = 0;
  std::vector<std::thread> clients;
  for (const char* token : {"first", "second"}) {
    clients.emplace_back([&, token] {
      Client client = connect();
      while (!done) {
        const int status = client.exchange(get("/work", bearer(token))).status;
        (status == 200 ? served : other) += 1;
        if (status != 200 && status != 401) ADD_FAILURE() << status;
        if (client.closed()) client = connect();
      }
    });
  }
  eventually("requests", [&] { return served > 20 && other > 20; });
  Client waiting = connect();
  upstream.on("/slow", Script().after_body().gate("go").send(response(200, "done")));
  waiting.send(get("/slow", bearer("first")));
  upstream.wait_for_request("/slow");
  write_tokens("second", "ben");
  reload("info reloaded ");
  EXPECT_EQ(connect().exchange(get("/work", bearer("first"))).status, 401);
  EXPECT_EQ(connect().exchange(get("/work", bearer("second"))).status, 200);
  upstream.open("go");
  EXPECT_EQ(waiting.read_response().status, 200) << "was let in before";
  done = true;
  for (auto& client : clients) client.join();
}

TEST_F(AccessControl, ABrokenFileOfTokensLeavesThoseThatWereRead) {
  write_tokens("first", "anna");
  start_with_auth();
  write_file(dir_ / "tokens", "# test\n" + sha256_hex("second") + " ben\nplain-t0ken carl\n");
  reload("cannot reload");
  EXPECT_THAT(hangup->log(), HasSubstr((dir_ / "tokens").string() + ":3:1: expected the SHA-256"));
  EXPECT_THAT(hangup->log(), Not(HasSubstr("t0ken")));
  EXPECT_EQ(connect().exchange(get("/work", bearer("first"))).status, 200);
  EXPECT_EQ(connect().exchange(get("/work", bearer("second"))).status, 401);
}

TEST_F(AccessControl, ANewTokensLineLetsItIn) {
  const Finished made = ::hangup::test::run({binary(), "token", "new", "--name", "ci"});
  EXPECT_EQ(made.exit.status, 0);
  ASSERT_TRUE(made.err.contains(": ")) << made.err;
  const std::string token = made.err.substr(made.err.rfind(": ") + 2, 43);
  EXPECT_EQ(made.err, "The token of ci, which is kept nowhere: " + token + "\n");
  EXPECT_EQ(made.out, sha256_hex(token) + " ci\n");
  const Finished sum = ::hangup::test::run({"sh", "-c", "printf %s \"$0\" | sha256sum", token});
  EXPECT_EQ(sum.out.substr(0, 64), made.out.substr(0, 64)) << "what the documentation says";
  write_file(dir_ / "tokens", made.out);
  start_with_auth();
  EXPECT_EQ(connect().exchange(get("/work", bearer(token))).status, 200);
  EXPECT_NE(::hangup::test::run({binary(), "token", "new", "--name", "ci"}).out, made.out);
}

TEST_F(AccessControl, ANewTokenNeedsANameFitForTheFile) {
  for (const char* name : {"", "two words", "a:b"})
    EXPECT_EQ(::hangup::test::run({binary(), "token", "new", "--name", name}).exit.status, 2) << name;
  EXPECT_EQ(::hangup::test::run({binary(), "token", "new"}).exit.status, 2);
}

TEST_F(AccessControl, ExplainSaysWhoIsLetIn) {
  write_tokens("opensesame", "anna");
  write_file(dir_ / "hangup.yaml", configuration({.route = "allow: [10.0.0.0/8, unix]"}) +
                                       "auth: {bearer_tokens_file: " + (dir_ / "tokens").string() + "}\n");
  const Finished said =
      ::hangup::test::run({binary(), "explain", "-c", (dir_ / "hangup.yaml").string(), "GET", "/work"});
  EXPECT_THAT(said.out, HasSubstr("\nlet in\n  clients of 10.0.0.0/8, unix; others get 403\n"
                                  "  with one of 1 bearer token; others get 401\n"));
}

TEST_F(AccessControl, OneTrustedRequestIdForTwoCutExchangesIsTwoCleanups) {
  upstream.otherwise(never_answer());
  start({.listener = "trusted_proxies: [127.0.0.1], trust_request_id: true"});
  for (std::size_t i = 0; i < 2; ++i) {
    Client client = connect();
    client.send(get("/work", {{"X-Request-Id", "of-the-proxy"}}));
    upstream.wait_for_requests(i + 1);
    client.reset();
    receiver.wait_for_calls(i + 1);
  }
  drain();
  const auto calls = receiver.calls();
  ASSERT_THAT(calls, SizeIs(2));
  EXPECT_NE(calls[0].webhook_id(), calls[1].webhook_id());
  for (const Call& call : calls) EXPECT_EQ(call.body.at("data").at("request_id"), "of-the-proxy");
  for (const RequestRecord& request : upstream.requests())
    EXPECT_EQ(request.message.header("X-Request-Id"), "of-the-proxy");
  for (const char* type : {"exchange", "cleanup"}) {
    const auto lines = hangup->access_log(type);
    ASSERT_THAT(lines, SizeIs(2)) << type;
    for (const Json& line : lines) EXPECT_EQ(line.at("request_id"), "of-the-proxy");
  }
  const Finished listed = ::hangup::test::run(
      {binary(), "outbox", "list", "-c", hangup->configuration_file().string(), "--json"});
  for (const Json& entry : Json::parse(listed.out)) EXPECT_EQ(entry.at("request_id"), "of-the-proxy");
}

TEST_F(AccessControl, AnInsaneRequestIdOfATrustedProxyIsReplaced) {
  start({.listener = "trusted_proxies: [127.0.0.1], trust_request_id: true"});
  EXPECT_EQ(connect().exchange(get("/work", {{"X-Request-Id", "a b"}})).status, 200);
  EXPECT_EQ(upstream.requests().front().message.header("X-Request-Id")->size(), 36U);
}

}  // namespace
}  // namespace hangup::test
