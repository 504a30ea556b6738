// Servers by https, and the networks that receivers may be in.
#include "support.h"

namespace hangup::config {
namespace {

using testing::AllOf, testing::HasSubstr, testing::IsEmpty;

std::string with_app(const std::string& members) {
  return "listeners: [{address: \"127.0.0.1:0\"}]\nroutes: [{upstream: app}]\n"
         "upstreams: {app: {" +
         members + "}}\n";
}

std::shared_ptr<const Upstream> app(const std::string& members) {
  return valid(with_app(members))->upstreams.at(0);
}

TEST(HttpsServers, VerifyTheUrlsHostByDefault) {
  const auto upstream = app("servers: [\"https://LOCALHOST\", \"HTTPS://127.0.0.1:8443\", \"http://[::1]\"]");
  const Server& named = upstream->servers[0];
  EXPECT_TRUE(named.https);
  EXPECT_EQ(named.address.port(), 443);
  EXPECT_EQ(named.authority, "LOCALHOST");
  EXPECT_EQ(named.tls_name, "LOCALHOST");
  EXPECT_EQ(named.upstream, "app");
  EXPECT_EQ(upstream->servers[1].tls_name, "127.0.0.1");
  EXPECT_EQ(upstream->servers[1].address.port(), 8443);
  EXPECT_FALSE(upstream->servers[2].https);
  EXPECT_EQ(upstream->servers[2].tls_name, "");
  EXPECT_TRUE(upstream->has_https());
  EXPECT_FALSE(app("servers: [\"http://127.0.0.1\"]")->has_https());
}

TEST(HttpsServers, TlsSaysWhatIsTrustedShownAndVerified) {
  const TempFile ca("ca"), cert("cert"), key("key");
  const auto upstream =
      app("servers: [\"https://127.0.0.1\"], tls: {ca: " + ca.path() + ", cert: " + cert.path() +
          ", key: " + key.path() + ", server_name: reports.internal}");
  EXPECT_EQ(upstream->tls.ca, ca.path());
  EXPECT_EQ(upstream->tls.certificate, cert.path());
  EXPECT_EQ(upstream->tls.key, key.path());
  EXPECT_EQ(upstream->servers[0].tls_name, "reports.internal");
}

TEST(HttpsServers, TlsIsReadAsThatOfACleanup) {
  expect_problem(with_app("servers: [\"https://127.0.0.1\"], tls: {ca: §/nowhere/ca.pem}"),
                 "`ca`: /nowhere/ca.pem: can't be read: No such file or directory");
  expect_problem(with_app("servers: [\"https://127.0.0.1\"], tls: {server_name: §\"h:443\"}"),
                 HasSubstr("expected a host without a port"));
  expect_problem(with_app("servers: [\"https://127.0.0.1\"], tls: {§verify: no}"),
                 HasSubstr("unknown key `verify`"));
}

TEST(HttpsServers, AServersNameIsOneThatACertificateCanHave) {
  const auto with_name = [](const std::string& name) {
    return with_app("servers: [\"https://127.0.0.1\"], tls: {server_name: §\"" + name + "\"}");
  };
  const auto upstream = app("servers: [\"https://127.0.0.1\"], tls: {server_name: \"reports.internal.\"}");
  EXPECT_EQ(upstream->servers[0].tls_name, "reports.internal");
  expect_problem(with_name("."), HasSubstr("expected a host without a port"));
  expect_problem(with_name(std::string(254, 'a')), HasSubstr("expected a host without a port"));
}

TEST(HttpsServers, TlsIsNotForPlainHttp) {
  expect_problem(with_app("servers: [\"http://127.0.0.1\", \"unix:/x\"], §tls: {server_name: h}"),
                 "`tls` is for https, and none of the servers is https://");
  EXPECT_THAT(
      problems(with_app("servers: [\"http://127.0.0.1\", \"https://127.0.0.1\"], tls: {server_name: h}")),
      IsEmpty());
}

TEST(Receivers, MayBeAnywhereByDefault) {
  const auto config = valid(with(""));
  EXPECT_FALSE(config->receivers);
  EXPECT_FALSE(config->cleanups.front()->allow);
}

TEST(Receivers, AreInTheNetworksThatAreAllowed) {
  const auto config = valid(with("receivers: {allow: [10.0.0.0/8, unix]}\n"));
  ASSERT_TRUE(config->receivers);
  EXPECT_TRUE(config->receivers->contains("10.1.2.3"));
  EXPECT_TRUE(config->receivers->contains("unix"));
  EXPECT_FALSE(config->receivers->contains("169.254.169.254"));
  EXPECT_FALSE(config->cleanups.front()->allow);
  EXPECT_TRUE(valid(with("receivers: {allow: \"::1\"}\n"))->receivers->contains("::1"));
}

std::string with_allow(const std::string& allow) {
  return "listeners: [{address: \"127.0.0.1:0\"}]\nroutes: [{upstream: app}]\n"
         "upstreams: {app: {servers: [\"http://127.0.0.1:9000\"]}}\n"
         "cleanups: {c: {url: \"http://h/\", allow: " +
         allow + "}}\n";
}

TEST(Receivers, OfOneCleanupMayBeElsewhere) {
  const auto config = valid(with_allow("127.0.0.1"));
  EXPECT_TRUE(config->cleanups.front()->allow->contains("127.0.0.1"));
  EXPECT_FALSE(config->receivers);
}

TEST(Receivers, WhatIsNoNetworkIsAProblemWhereItStands) {
  expect_problem(with_allow("[10.0.0.0/8, §hooks.example]"),
                 AllOf(HasSubstr("`allow`"), HasSubstr("not a network")));
  expect_problem(with_allow("§[]"), HasSubstr("found an empty list, expected a list of networks"));
  expect_problem(with("receivers: {§deny: [10.0.0.0/8]}\n"), HasSubstr("unknown key `deny`"));
}

}  // namespace
}  // namespace hangup::config
