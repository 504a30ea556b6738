#include "support.h"

namespace hangup::config {
namespace {

using testing::AllOf, testing::HasSubstr;

std::string listener_with(const std::string& keys) {
  return "listeners: [{address: \"127.0.0.1:0\", " + keys + "}]\n" +
         "upstreams: {app: {servers: [\"http://127.0.0.1:9000\"]}}\nroutes: [{upstream: app}]\n";
}

TEST(WayIn, NobodyIsTrustedByDefault) {
  EXPECT_TRUE(valid(with(""))->listeners.front().trusted_proxies.empty());
}

TEST(WayIn, TrustedProxiesAreAListOfNetworksOrOne) {
  const auto several = valid(listener_with("trusted_proxies: [10.0.0.0/8, \"::1\", unix]"));
  const Networks& trusted = several->listeners.front().trusted_proxies;
  EXPECT_TRUE(trusted.contains("10.9.8.7"));
  EXPECT_TRUE(trusted.contains("::1"));
  EXPECT_TRUE(trusted.contains("unix"));
  EXPECT_FALSE(trusted.contains("127.0.0.1"));
  const auto one = valid(listener_with("trusted_proxies: 127.0.0.1"));
  EXPECT_TRUE(one->listeners.front().trusted_proxies.contains("127.0.0.1"));
}

TEST(WayIn, WhatIsNoNetworkIsAProblemWhereItStands) {
  expect_problem(listener_with("trusted_proxies: [10.0.0.0/8, §proxy.local]"),
                 AllOf(HasSubstr("`trusted_proxies`"), HasSubstr("not a network"), HasSubstr("10.0.0.0/8")));
  expect_problem(listener_with("trusted_proxies: [§10.0.0.1/8]"), HasSubstr("write 10.0.0.0/8"));
  expect_problem(listener_with("trusted_proxies: §{a: b}"), HasSubstr("a list of networks"));
}

TEST(WayIn, IsPlainTextWithoutAProxyByDefault) {
  const auto config = valid(with(""));
  const Listener& listener = config->listeners.front();
  EXPECT_FALSE(listener.proxy_protocol);
  EXPECT_FALSE(listener.tls);
  EXPECT_EQ(listener.timeouts.handshake, seconds(10));
}

TEST(WayIn, TheProxyProtocolIsForTrustedProxies) {
  EXPECT_TRUE(valid(listener_with("proxy_protocol: accept, trusted_proxies: unix"))
                  ->listeners.front()
                  .proxy_protocol);
  EXPECT_FALSE(valid(listener_with("proxy_protocol: off"))->listeners.front().proxy_protocol);
  expect_problem(listener_with("§proxy_protocol: accept"), HasSubstr("needs `trusted_proxies`"));
  expect_problem(listener_with("trusted_proxies: unix, proxy_protocol: §v2"), HasSubstr("off or accept"));
}

TEST(WayIn, RequestIdsAreOfTrustedProxiesThatAreSaidToWriteThem) {
  EXPECT_FALSE(valid(listener_with("trusted_proxies: unix"))->listeners.front().trust_request_id);
  EXPECT_TRUE(valid(listener_with("trusted_proxies: unix, trust_request_id: true"))
                  ->listeners.front()
                  .trust_request_id);
  expect_problem(listener_with("§trust_request_id: true"), HasSubstr("needs `trusted_proxies`"));
}

TEST(WayIn, TlsHasCertificatesAndWhatIsWantedOfClients) {
  const TempFile file("not looked into here");
  const std::string pair = "{cert: " + file.path() + ", key: " + file.path() + "}";
  const auto small = valid(listener_with("tls: {certificates: [" + pair + "]}"));
  const ServerTls& usual = *small->listeners.front().tls;
  ASSERT_EQ(usual.certificates.size(), 1U);
  EXPECT_EQ(usual.certificates.front().key, file.path());
  EXPECT_TRUE(usual.client_ca.empty());
  EXPECT_FALSE(usual.only_tls13);
  const auto full =
      valid(listener_with("tls: {certificates: [" + pair + ", " + pair + "], client_ca: " + file.path() +
                          ", client_certificates: optional, client_subject_header: X-Client-Subject, "
                          "min_version: \"1.3\"}"));
  const ServerTls& tls = *full->listeners.front().tls;
  EXPECT_EQ(tls.certificates.size(), 2U);
  EXPECT_EQ(tls.client_ca, file.path());
  EXPECT_FALSE(tls.client_certificates_required);
  EXPECT_EQ(tls.client_subject_header, "X-Client-Subject");
  EXPECT_TRUE(tls.only_tls13);
}

TEST(WayIn, WhatIsWrongWithTlsIsAProblemWhereItStands) {
  const TempFile file("");
  const std::string good = "certificates: [{cert: " + file.path() + ", key: " + file.path() + "}]";
  expect_problem(listener_with("tls: §{}"), HasSubstr("`certificates` is missing"));
  expect_problem(listener_with("tls: {certificates: §[]}"), HasSubstr("a list of {cert: FILE, key: FILE}"));
  expect_problem(listener_with("tls: {certificates: [§{cert: " + file.path() + "}]}"),
                 HasSubstr("`key` is missing"));
  expect_problem(listener_with("tls: {certificates: [{cert: " + file.path() + ", key: §/no/such.key}]}"),
                 AllOf(HasSubstr("`key`: /no/such.key: "), HasSubstr("No such file")));
  expect_problem(listener_with("tls: {" + good + ", min_version: §\"1.1\"}"), HasSubstr("1.2 or 1.3"));
  expect_problem(listener_with("tls: {" + good + ", §client_certificates: optional}"),
                 HasSubstr("needs `client_ca`"));
  expect_problem(listener_with("tls: {" + good + ", §client_subject_header: X-Who}"),
                 HasSubstr("needs `client_ca`"));
  const std::string asking = good + ", client_ca: " + file.path();
  expect_problem(listener_with("tls: {" + asking + ", client_subject_header: §x_forwarded-for}"),
                 HasSubstr("written by hangup already"));
  expect_problem(listener_with("tls: {" + asking + ", client_subject_header: §\"X Who\"}"),
                 HasSubstr("no valid header name"));
  expect_problem(listener_with("tls: {" + asking + ", §ciphers: ALL}"), HasSubstr("unknown key `ciphers`"));
}

}  // namespace
}  // namespace hangup::config
