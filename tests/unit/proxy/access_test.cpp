// Who is let in: the client's address, then its token.
#include "proxy/access.h"

#include "unit/proxy/exchange_fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace hangup {
namespace {

using config::hash_token, config::Token, config::Tokens;
using proxy::ShownToken;

// The Authorization fields of a request with these values.
ShownToken shown_in(const std::vector<std::string>& values) {
  static http::Fields fields;
  fields = {};
  static std::vector<std::string> kept;
  kept = values;
  fields.add("Accept", "Bearer x");
  for (const std::string& value : kept) fields.add("authorization", value);
  return proxy::shown_token(fields);
}

TEST(ShownBearerToken, IsReadAsRfc6750Says) {
  using Kind = ShownToken::Kind;
  for (const auto& [value, token] : {std::pair{"Bearer abc", "abc"},
                                     {"bearer abc", "abc"},
                                     {"BEARER   abc", "abc"},
                                     {"Bearer aZ09-._~+/", "aZ09-._~+/"},
                                     {"Bearer YWJj==", "YWJj=="}}) {
    EXPECT_EQ(shown_in({value}).kind, Kind::token) << value;
    EXPECT_EQ(shown_in({value}).token, token);
  }
  for (const std::string value :
       {"Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer =a", "Bearer ==", "Bearer a=b",
        "Bearer \"a\"", "Bearer a\t", "Bearer \ta", "Bearer \xc3\xa9"}) {
    EXPECT_EQ(shown_in({value}).kind, Kind::invalid) << value;
    EXPECT_EQ(shown_in({value}).token, "");
  }
  for (const std::string value : {"", "Basic YWJj", "Bearerabc", "Bear abc", "Digest a=b"})
    EXPECT_EQ(shown_in({value}).kind, Kind::none) << value;
  EXPECT_EQ(shown_in({}).kind, Kind::none);
  EXPECT_EQ(shown_in({"Bearer abc", "Bearer abc"}).kind, Kind::invalid);
  EXPECT_EQ(shown_in({"Basic YWJj", "Bearer abc"}).kind, Kind::invalid);
}

TEST(FindToken, FindsEachByItsHashAndNoOther) {
  Tokens tokens;
  for (const std::string name : {"first", "second", "third"})
    tokens.push_back({hash_token("t-" + name), name});
  for (const Token& token : tokens)
    EXPECT_EQ(*proxy::find_token(tokens, hash_token("t-" + token.name)), token.name);
  EXPECT_EQ(proxy::find_token(tokens, hash_token("t-fourth")), nullptr);
  auto nearly = hash_token("t-first");
  nearly.back() ^= 1;
  EXPECT_EQ(proxy::find_token(tokens, nearly), nullptr);
  EXPECT_EQ(proxy::find_token({}, hash_token("")), nullptr);
}

class AccessExchangeTest : public ExchangeTest {
 protected:
  AccessExchangeTest() { tokens = {{hash_token("opensesame"), "anna"}}; }
  void send_with(const std::string& fields) {
    send("POST /jobs/17 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\nExpect: 100-continue\r\n" +
         fields + "\r\n");
  }
  void expect_refused(int status, const std::string& challenge, const std::string& error) {
    EXPECT_TRUE(fake_upstream->requests.empty()) << "a server was asked for";
    EXPECT_TRUE(client->interims.empty()) << "the body was asked for";
    EXPECT_TRUE(client->paused);
    EXPECT_EQ(client->status, status);
    EXPECT_EQ(client->field("WWW-Authenticate"), challenge);
    const json line = log_line();
    EXPECT_EQ(line["outcome"], "rejected");
    EXPECT_EQ(line["status"], status);
    EXPECT_EQ(line["error"], error);
    EXPECT_EQ(line["route"], "jobs");
    EXPECT_TRUE(line["user"].is_null());
    EXPECT_TRUE(cleanups().empty());
  }
  void expect_let_in(const json& user) {
    ASSERT_EQ(fake_upstream->requests.size(), 1U);
    observer().on_connected(server());
    client->observer->on_gone(scheduler.now());
    EXPECT_EQ(log_line()["user"], user);
  }
};

TEST_F(AccessExchangeTest, WithoutATokenIsAskedForOneBeforeAnythingElseHappens) {
  send_with("");
  expect_refused(401, "Bearer realm=\"hangup\"", "no bearer token");
}

TEST_F(AccessExchangeTest, WithAWrongTokenIsToldSo) {
  send_with("Authorization: Bearer closesesame\r\n");
  expect_refused(401, "Bearer realm=\"hangup\", error=\"invalid_token\"", "unknown bearer token");
}

TEST_F(AccessExchangeTest, WithSeveralFieldsIsLetInByNone) {
  send_with("Authorization: Bearer opensesame\r\nAuthorization: Bearer opensesame\r\n");
  expect_refused(401, "Bearer realm=\"hangup\", error=\"invalid_token\"",
                 "malformed Authorization, or several");
}

TEST_F(AccessExchangeTest, WithAnotherSchemeHasShownNoToken) {
  send_with("Authorization: Basic b3BlbnNlc2FtZQ==\r\n");
  expect_refused(401, "Bearer realm=\"hangup\"", "no bearer token");
}

TEST_F(AccessExchangeTest, ATokenLetsInAndIsKeptFromTheServer) {
  route.request.set = {{"X-User", text_template("{auth.name}")}};
  send_with("authorization: bearer opensesame\r\nX-Other: 1\r\n");
  observer().on_connected(server());
  EXPECT_EQ(request().field("X-User"), "anna");
  EXPECT_EQ(request().field("X-Other"), "1");
  EXPECT_EQ(request().count("authorization"), 0U);
  client->observer->on_gone(scheduler.now());
  EXPECT_EQ(log_line()["user"], "anna");
}

TEST_F(AccessExchangeTest, AServerIsShownTheTokenWhenTheConfigurationSaysSo) {
  forward_authorization = true;
  send_with("Authorization: Bearer opensesame\r\n");
  observer().on_connected(server());
  EXPECT_EQ(request().field("Authorization"), "Bearer opensesame");
}

TEST_F(AccessExchangeTest, ARouteWithoutAuthLetsInAnybodyAndForwardsWhatIsNotOurs) {
  route.access.auth = config::Route::Access::Auth::none;
  send_with("Authorization: Bearer of-the-backend\r\n");
  observer().on_connected(server());
  EXPECT_EQ(request().field("Authorization"), "Bearer of-the-backend");
  client->observer->on_gone(scheduler.now());
  EXPECT_TRUE(log_line()["user"].is_null());
}

TEST_F(AccessExchangeTest, OurTokenIsKeptFromTheServerOfARouteWithoutAuthToo) {
  route.access.auth = config::Route::Access::Auth::none;
  send_with("Authorization: Bearer opensesame\r\n");
  observer().on_connected(server());
  EXPECT_EQ(request().count("Authorization"), 0U);
}

TEST_F(AccessExchangeTest, WithoutAuthEveryAuthorizationIsTheBackends) {
  tokens.clear();
  send_with("Authorization: Bearer opensesame\r\n");
  observer().on_connected(server());
  EXPECT_EQ(request().field("Authorization"), "Bearer opensesame");
}

TEST_F(AccessExchangeTest, AnAddressThatIsNotAllowedIsRefusedBeforeItsTokenIsLookedAt) {
  route.access.allow.add(*Network::parse("10.0.0.0/8"));
  send_with("Authorization: Bearer opensesame\r\n");
  expect_refused(403, "", "the client's address is not allowed");
}

TEST_F(AccessExchangeTest, WhoIsNotLetInCallsNoCleanup) {
  route.cleanup_on = {Outcome::rejected};
  send_with("");
  expect_refused(401, "Bearer realm=\"hangup\"", "no bearer token");
}

TEST_F(AccessExchangeTest, APathThatServersMayReadAsAnotherRoutesReachesNone) {
  route.access.auth = config::Route::Access::Auth::none;
  route.cleanup_on = {Outcome::rejected};
  send("GET /jobs/..%2fadmin HTTP/1.1\r\nHost: example.com\r\n\r\n");
  EXPECT_TRUE(fake_upstream->requests.empty());
  expect_over("rejected", "reading_request", 400);
  EXPECT_TRUE(cleanups().empty());
}

TEST_F(AccessExchangeTest, ARouteMayLetAmbiguousPathsThrough) {
  route.access.auth = config::Route::Access::Auth::none;
  route.access.ambiguous_paths = true;
  send("GET /jobs/a%2Fb HTTP/1.1\r\nHost: example.com\r\n\r\n");
  observer().on_connected(server());
  EXPECT_EQ(request().target, "/jobs/a%2Fb");
}

TEST_F(AccessExchangeTest, ThePathThatWasMatchedIsTheOneThatIsForwarded) {
  route.access.auth = config::Route::Access::Auth::none;
  send("GET /public/../jobs/%31%37?to=/a/../b HTTP/1.1\r\nHost: example.com\r\n\r\n");
  observer().on_connected(server());
  EXPECT_EQ(request().target, "/jobs/17?to=/a/../b");
}

TEST_F(AccessExchangeTest, WhereAllAreLetInEveryPathIsForwardedAsItCame) {
  tokens.clear();
  send("GET /public/../jobs/a%2fb HTTP/1.1\r\nHost: example.com\r\n\r\n");
  observer().on_connected(server());
  EXPECT_EQ(request().target, "/public/../jobs/a%2fb");
}

TEST_F(AccessExchangeTest, AnAllowedAddressStillNeedsAToken) {
  route.access.allow.add(*Network::parse("192.0.2.0/24"));
  send_with("");
  expect_refused(401, "Bearer realm=\"hangup\"", "no bearer token");
}

TEST_F(AccessExchangeTest, AnAllowedAddressIsLetIn) {
  tokens.clear();
  route.access.allow.add(*Network::parse("192.0.2.7"));
  send_with("");
  expect_let_in(nullptr);
}

}  // namespace
}  // namespace hangup
