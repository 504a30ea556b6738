// Servers that are spoken to by TLS: who is believed, what is seen of them and by them.
#include "e2e/fixture.h"
#include "support/certificates.h"

#include <fmt/format.h>

#include <array>

namespace hangup::test {
namespace {

class UpstreamTls : public EndToEnd {
 protected:
  Yaml to(const MockUpstream& server, const std::string& more_tls = {}) const {
    Yaml yaml;
    yaml.servers = '"' + server.url() + '"';
    yaml.upstream = "tls: {ca: " + ca_file.string() + more_tls + "}";
    yaml.workers = 1;
    return yaml;
  }
  static std::string at_localhost(const MockUpstream& server) {
    return "https://localhost:" + std::to_string(server.where().port());
  }
  // One exchange that ends before the server has seen a request. hangup is drained then.
  Json refused(const Yaml& yaml) {
    start(yaml);
    EXPECT_EQ(connect().exchange(get("/work")).status, 502);
    const Json exchange = only_exchange();
    expect_end(exchange, "upstream_unreachable", "connecting", 502);
    return exchange;
  }
  static MockUpstream::Options options(const Identity& identity, const Identity* client_ca = nullptr) {
    return {.may_be_malformed = false, .tls = make_server_context(identity, client_ca)};
  }
  void wait_for_log_line(std::string_view text) const {
    eventually("the log to say " + std::string(text), [&] { return hangup->log().contains(text); });
  }

  PemFiles files;
  const Identity ca = make_identity("", nullptr);
  const Identity local = make_identity("IP:127.0.0.1,DNS:localhost", &ca);
  const std::filesystem::path ca_file = files.certificate(ca, "ca.pem");
  MockUpstream secure{options(local)};
};

TEST_F(UpstreamTls, AServerWhoseCaIsTrustedAnswers) {
  secure.on("/work", respond(200, "by TLS"));
  start(to(secure));
  EXPECT_EQ(connect().exchange(post("/work", "body")).body, "by TLS");
  EXPECT_EQ(secure.wait_for_whole_request("/work").message.body, "body");
  EXPECT_EQ(secure.connections().at(0).server_name, "");  // an address is no name
  const Json exchange = only_exchange();
  expect_end(exchange, "completed", "streaming_response", 200);
  EXPECT_EQ(exchange.at("upstream"), secure.url());
}

TEST_F(UpstreamTls, AnswerBeforeTheWholeUploadReachesTheClient) {
  secure.on("/work", Script().send(response(413, "too much", {{"Connection", "close"}})).close());
  start(to(secure));
  Client client = connect();
  client.send("POST /work HTTP/1.1\r\nHost: test.example\r\nContent-Length: 1000000\r\n\r\nfirst bytes");
  secure.wait_for_request("/work");
  const Response response = client.read_response("POST");
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(response.body, "too much");
  EXPECT_TRUE(response.complete);
  expect_end(only_exchange(), "completed", "streaming_response", 413);
}

TEST_F(UpstreamTls, TheUrlsHostIsSentAndVerified) {
  Yaml yaml = to(secure);
  yaml.servers = '"' + at_localhost(secure) + '"';
  start(yaml);
  EXPECT_EQ(connect().exchange(get("/work")).status, 200);
  EXPECT_EQ(secure.connections().at(0).server_name, "localhost");
}

TEST_F(UpstreamTls, TheConfiguredNameIsSentAndVerifiedInsteadOfTheUrls) {
  MockUpstream named(options(make_identity("DNS:reports.internal", &ca)));
  start(to(named, ", server_name: reports.internal"));
  EXPECT_EQ(connect().exchange(get("/work")).status, 200);
  EXPECT_EQ(named.connections().at(0).server_name, "reports.internal");
}

TEST_F(UpstreamTls, EveryCertificateThatCantBeVerifiedIsRefusedBeforeAnythingIsSent) {
  const Identity other_ca = make_identity("", nullptr);
  const struct {
    Identity identity;
    const char* because;
  } cases[] = {
      {make_identity("IP:127.0.0.2", &ca), "IP address mismatch: it is not valid for 127.0.0.1"},
      {make_identity("IP:127.0.0.1", &ca, -7200, -3600), "certificate has expired"},
      {make_identity("IP:127.0.0.1", &ca, 3600, 7200), "certificate is not yet valid"},
      {make_identity("IP:127.0.0.1", nullptr), "self-signed certificate"},
      {make_identity("IP:127.0.0.1", &other_ca), "unable to get local issuer certificate"},
  };
  for (const auto& each : cases) {
    MockUpstream server(options(each.identity));
    hangup = std::make_unique<Hangup>(configuration(to(server)));
    EXPECT_EQ(connect().exchange(get("/work")).status, 502);
    const Json exchange = hangup->wait_for_exchange();
    expect_end(exchange, "upstream_unreachable", "connecting", 502);
    EXPECT_EQ(exchange.at("error"), "cannot connect to " + server.url() +
                                        ": TLS: the certificate is not accepted: " + each.because);
    EXPECT_EQ(server.request_count(), 0U);
    server.wait_for_closes(1);
    EXPECT_TRUE(server.connections().at(0).tls_failure.contains("alert"))
        << "the server's log is to say why: " << server.connections().at(0).tls_failure;
  }
}

TEST_F(UpstreamTls, AWrongHostNameIsNamed) {
  MockUpstream other(options(make_identity("DNS:other.example", &ca)));
  Yaml yaml = to(other);
  yaml.servers = '"' + at_localhost(other) + '"';
  EXPECT_TRUE(refused(yaml).at("error").get<std::string>().ends_with("it is not valid for localhost"));
}

TEST_F(UpstreamTls, WhatOneServerFailsToProveIsMadeUpByTheNext) {
  MockUpstream expired(options(make_identity("IP:127.0.0.1", &ca, -7200, -3600)));
  Yaml yaml = to(secure);
  yaml.servers = fmt::format(R"("{}", "{}")", expired.url(), secure.url());
  start(yaml);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(connect().exchange(post("/work", "once")).status, 200);
  EXPECT_EQ(expired.request_count(), 0U);
  EXPECT_EQ(secure.request_count(), 4U);
}

TEST_F(UpstreamTls, AHandshakeThatGetsNoAnswerIsBoundByTheConnectTimeout) {
  const Fd silent = listen_on(address("127.0.0.1:0"), 16);
  Yaml yaml = to(secure);
  const std::string url = "https://" + local_address(silent).to_string();
  yaml.servers = '"' + url + '"';
  yaml.upstream += ", timeouts: {connect: 200ms}";
  start(yaml);
  EXPECT_EQ(connect().exchange(get("/work")).status, 504);
  const Json exchange = only_exchange();
  expect_end(exchange, "upstream_timeout", "connecting", 504);
  EXPECT_EQ(exchange.at("error"), "the TLS handshake with " + url + " took too long");
  EXPECT_GE(exchange.at("duration_ms"), 190);
}

TEST_F(UpstreamTls, ACloseInTheHandshakeIsUnreachable) {
  Fd listener = listen_on(address("127.0.0.1:0"), 16);
  Yaml yaml = to(secure);
  yaml.servers = "\"https://" + local_address(listener).to_string() + '"';
  start(yaml);
  Client client = connect();
  client.send(get("/work"));
  eventually("hangup to connect", [&] {
    const Fd accepted(::accept(listener.get(), nullptr, nullptr));
    return static_cast<bool>(accepted);  // and closes it
  });
  EXPECT_EQ(client.read_response().status, 502);
  expect_end(only_exchange(), "upstream_unreachable", "connecting", 502);
}

TEST_F(UpstreamTls, AServerThatAsksWhoIsThereIsShownTheCertificate) {
  const Identity client = make_identity("DNS:hangup", &ca);
  const auto cert = files.certificate(client, "client.pem").string();
  const auto key = files.key(client, "client.key").string();
  MockUpstream strict(options(local, &ca));
  start(to(strict, ", cert: " + cert + ", key: " + key));
  EXPECT_EQ(connect().exchange(get("/work")).status, 200);
}

TEST_F(UpstreamTls, WithoutTheCertificateThatIsAskedForTheErrorSaysSo) {
  MockUpstream strict(options(local, &ca));  // refuses after the handshake, as TLS 1.3 has it
  start(to(strict));
  EXPECT_EQ(connect().exchange(get("/work")).status, 502);
  const Json exchange = only_exchange();
  EXPECT_EQ(exchange.at("outcome"), "upstream_reset");
  EXPECT_TRUE(exchange.at("error").get<std::string>().contains("certificate required")) << exchange;
  EXPECT_EQ(strict.request_count(), 0U);
}

TEST_F(UpstreamTls, ByTls12ThatIsKnownBeforeAnythingIsSent) {
  MockUpstream::Options old = options(local, &ca);
  SSL_CTX_set_max_proto_version(old.tls.get(), TLS1_2_VERSION);
  MockUpstream strict(old);
  EXPECT_TRUE(refused(to(strict)).at("error").get<std::string>().contains("handshake failure"));
}

TEST_F(UpstreamTls, AConnectionServesOneRequestAfterAnother) {
  start(to(secure));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(connect().exchange(get("/work")).status, 200);
  EXPECT_EQ(secure.connections().size(), 1U);
}

TEST_F(UpstreamTls, ANewConnectionResumesTheSession) {
  secure.otherwise(respond(200, "ok", {{"Connection", "close"}}));
  start(to(secure));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(connect().exchange(get("/work")).status, 200);
  const auto connections = secure.connections();
  ASSERT_EQ(connections.size(), 2U);
  EXPECT_FALSE(connections[0].resumed);
  EXPECT_TRUE(connections[1].resumed);
}

TEST_F(UpstreamTls, AClientThatLeavesIsSeenByTheServerAtOnceAndTheSessionStaysGood) {
  secure.on("/work", never_answer());
  start(to(secure));
  EXPECT_EQ(connect().exchange(get("/first")).status, 200);  // has brought a ticket
  Client client = connect();
  client.send(get("/work"));
  const RequestRecord request = secure.wait_for_request("/work");
  client.close();
  EXPECT_EQ(secure.wait_for_close(request).closed, Closed::reset);
  EXPECT_EQ(connect().exchange(get("/last")).status, 200);
  EXPECT_TRUE(secure.connections().back().resumed);
  const Json exchange = only_exchange("/work");
  expect_end(exchange, "client_gone", "awaiting_response", 499);
  only_call(exchange);
}

TEST_F(UpstreamTls, AnAbortIsNotHeldUpByAServerThatReadsNothing) {
  secure.on("/work", Script().stop_reading());
  Yaml yaml = to(secure);
  yaml.listener = "limits: {body_bytes: 1GiB}";
  start(yaml);
  Client client = connect();
  client.send("POST /work HTTP/1.1\r\nHost: test.example\r\nContent-Length: 1000000000\r\n\r\n");
  client.send_until_blocked(std::string(1 << 20, 'u'));
  const RequestRecord request = secure.wait_for_request("/work");
  client.reset();
  EXPECT_EQ(secure.wait_for_close(request).closed, Closed::reset);
}

TEST_F(UpstreamTls, ABodyWithoutFramingEndsWithCloseNotify) {
  secure.on("/work", Script().send(response_head(200, {}) + "all of it").close());
  start(to(secure));
  const Response response = connect().exchange(get("/work"));
  EXPECT_EQ(response.body, "all of it");
  EXPECT_TRUE(response.complete);
  expect_end(only_exchange(), "completed", "streaming_response", 200);
}

TEST_F(UpstreamTls, WithoutCloseNotifyABodyWithoutFramingIsCut) {
  secure.on("/work", Script().send(response_head(200, {}) + "some of it").cut());
  start(to(secure));
  const Response response = connect().exchange(get("/work"));
  EXPECT_EQ(response.body, "some of it");
  EXPECT_FALSE(response.complete);
  const Json exchange = only_exchange();
  expect_end(exchange, "upstream_reset", "streaming_response", 200);
  EXPECT_TRUE(exchange.at("error").get<std::string>().contains("close_notify"));
}

TEST_F(UpstreamTls, ABodyOfKnownLengthNeedsNoCloseNotify) {
  secure.on("/work", Script().send(response(200, "whole", {{"Connection", "close"}})).cut());
  start(to(secure));
  EXPECT_TRUE(connect().exchange(get("/work")).complete);
  expect_end(only_exchange(), "completed", "streaming_response", 200);
}

TEST_F(UpstreamTls, LargeBodiesArriveWholeBothWays) {
  const std::string body = noise(8 << 20);
  secure.on("/work", respond(200, body));
  start(to(secure));
  const std::string sent = noise(6 << 20);
  const Response response = connect().exchange(post("/work", sent), "POST");
  EXPECT_TRUE(response.complete);
  EXPECT_EQ(response.body_bytes, body.size());
  EXPECT_EQ(secure.wait_for_whole_request("/work").message.body_bytes, sent.size());
}

TEST_F(UpstreamTls, NewKeysInTheMiddleOfAResponseChangeNothing) {
  secure.on("/work", Script()
                         .send(response_head(200, {{"Content-Length", "6"}}) + "one")
                         .gate("keys")
                         .update_keys()
                         .send("two"));
  start(to(secure));
  Client client = connect();
  client.send(get("/work"));
  client.read_head();
  client.read_body(3);
  secure.open("keys");
  EXPECT_EQ(client.finish().body, "onetwo");
  EXPECT_EQ(connect().exchange(get("/next")).status, 200);
  EXPECT_EQ(secure.connections().size(), 1U);
}

// The server closes an idle connection, in the three ways there are; the next request is sent over another.
TEST_F(UpstreamTls, AnIdleConnectionThatTheServerEndsIsReplaced) {
  const std::array<Script, 3> ends = {Script().close(), Script().cut(), Script().reset()};
  start(to(secure));
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const std::string path = "/" + std::to_string(i);
    EXPECT_EQ(connect().exchange(get(path)).status, 200);
    secure.act(secure.wait_for_request(path), ends[i]);
    eventually("the server to have ended it", [&] { return secure.open_connections() == 0; });
  }
  EXPECT_EQ(connect().exchange(get("/last")).status, 200);
  EXPECT_EQ(secure.connections().size(), ends.size() + 1);
}

TEST_F(UpstreamTls, ARequestThatMeetsTheEndOfItsConnectionIsSentAgain) {
  for (const Script& end : {Script().close(), Script().cut(), Script().reset()}) {
    MockUpstream server(options(local));
    server.otherwise(
        [end](const RequestRecord& request) { return request.nth == 0 ? respond(200, "ok") : end; });
    hangup = std::make_unique<Hangup>(configuration(to(server)));
    Client client = connect();
    EXPECT_EQ(client.exchange(get("/first")).status, 200);
    EXPECT_EQ(client.exchange(get("/second")).status, 200);
    EXPECT_EQ(server.connections().size(), 2U);
  }
}

TEST_F(UpstreamTls, FilesAreReadAgainOnSighup) {
  const Identity other_ca = make_identity("", nullptr);
  start(to(secure));
  EXPECT_EQ(connect().exchange(get("/first")).status, 200);

  files.certificate(other_ca, "ca.pem");
  hangup->signal(SIGHUP);
  wait_for_log_line("info reloaded ");
  EXPECT_EQ(connect().exchange(get("/second")).status, 502)
      << "neither the idle connection nor its session may be used on";

  write_file(ca_file, "nothing");
  hangup->signal(SIGHUP);
  wait_for_log_line("cannot reload; what was read before stays: upstream `app`");

  files.certificate(ca, "ca.pem");
  hangup->signal(SIGHUP);
  eventually("the server to be trusted again",
             [&] { return connect().exchange(get("/third")).status == 200; });
  EXPECT_EQ(secure.requests().back().message.path(), "/third");
}

TEST_F(UpstreamTls, AReloadKeepsTheConnectionsOfAnUpstreamWhoseFilesHoldWhatTheyHeld) {
  const Identity client = make_identity("DNS:hangup", &ca);
  const auto write_files = [&] {
    files.certificate(ca, "ca.pem");
    files.certificate(client, "client.pem");
    files.key(client, "client.key");
  };
  write_files();
  MockUpstream strict(options(local, &ca));
  start(to(strict,
           ", cert: " + files.path("client.pem").string() + ", key: " + files.path("client.key").string()));
  EXPECT_EQ(connect().exchange(get("/first")).status, 200);
  for (int i = 0; i < 3; ++i) {
    write_files();
    ASSERT_TRUE(hangup->reload());
    EXPECT_EQ(connect().exchange(get("/next")).status, 200);
  }
  EXPECT_EQ(strict.connections().size(), 1U);
}

TEST_F(UpstreamTls, AReloadKeepsTheSessionsOfAnUpstreamWhoseFilesHoldWhatTheyHeld) {
  secure.otherwise(respond(200, "ok", {{"Connection", "close"}}));
  start(to(secure));
  EXPECT_EQ(connect().exchange(get("/first")).status, 200);
  ASSERT_TRUE(hangup->reload());
  EXPECT_EQ(connect().exchange(get("/second")).status, 200);
  const auto connections = secure.connections();
  ASSERT_EQ(connections.size(), 2U);
  EXPECT_TRUE(connections[1].resumed);
}

TEST_F(UpstreamTls, AReloadShowsACertificateThatWasReplacedByANewConnection) {
  const Identity before = make_identity("DNS:hangup", &ca);
  const Identity after = make_identity("DNS:hangup", &ca);
  const auto cert = files.certificate(before, "client.pem").string();
  const auto key = files.key(before, "client.key").string();
  MockUpstream strict(options(local, &ca));
  start(to(strict, ", cert: " + cert + ", key: " + key));
  EXPECT_EQ(connect().exchange(get("/first")).status, 200);

  files.certificate(after, "client.pem");
  files.key(after, "client.key");
  EXPECT_EQ(connect().exchange(get("/not-yet")).status, 200);
  ASSERT_TRUE(hangup->reload());
  EXPECT_EQ(connect().exchange(get("/second")).status, 200);
  const auto connections = strict.connections();
  ASSERT_EQ(connections.size(), 2U);
  EXPECT_EQ(connections[0].client, common_name(before));
  EXPECT_EQ(connections[1].client, common_name(after));
  EXPECT_FALSE(connections[1].resumed);
}

TEST_F(UpstreamTls, AReloadVerifiesByACaFileThatHasOneMoreByANewConnection) {
  start(to(secure));
  EXPECT_EQ(connect().exchange(get("/first")).status, 200);
  const std::string more = read_file(files.certificate(make_identity("", nullptr), "more.pem"));
  write_file(ca_file, read_file(ca_file) + more);
  ASSERT_TRUE(hangup->reload());
  EXPECT_EQ(connect().exchange(get("/second")).status, 200);
  const auto connections = secure.connections();
  ASSERT_EQ(connections.size(), 2U);
  EXPECT_FALSE(connections[1].resumed);
}

TEST_F(UpstreamTls, AReloadKeepsConnectionsAsLongAsTheSystemTrustsTheSame) {
  // As c_rehash names them.
  const auto hashed = [](const Identity& identity) {
    return fmt::format("{:08x}.0", X509_subject_name_hash(identity.certificate.get()));
  };
  const TempDir more;
  files.certificate(ca, hashed(ca));
  Yaml yaml = to(secure);
  yaml.upstream = {};
  hangup = std::make_unique<Hangup>(
      configuration(yaml), 1,
      std::vector<std::string>{"env", "SSL_CERT_FILE=" + (more / "none.pem").string(),
                               "SSL_CERT_DIR=" + (more / "none").string() + ":" + files.path("").string()});
  EXPECT_EQ(connect().exchange(get("/first")).status, 200);
  files.certificate(ca, hashed(ca));
  write_file(files.path("README"), "no certificate");
  ASSERT_TRUE(hangup->reload());
  EXPECT_EQ(connect().exchange(get("/second")).status, 200);
  EXPECT_EQ(secure.connections().size(), 1U);

  const Identity other_ca = make_identity("", nullptr);
  files.certificate(other_ca, hashed(other_ca));
  ASSERT_TRUE(hangup->reload());
  EXPECT_EQ(connect().exchange(get("/third")).status, 200);
  EXPECT_EQ(secure.connections().size(), 2U);

  std::filesystem::remove(files.path(hashed(ca)));
  ASSERT_TRUE(hangup->reload());
  EXPECT_EQ(connect().exchange(get("/fourth")).status, 502) << "a CA that is gone is not trusted on";

  write_file(more / "none.pem", read_file(ca_file));  // the system's file instead
  ASSERT_TRUE(hangup->reload());
  EXPECT_EQ(connect().exchange(get("/fifth")).status, 200);
}

TEST_F(UpstreamTls, CheckFindsAFileThatHoldsNoCertificate) {
  TempDir dir;
  write_file(ca_file, "nothing");
  write_file(dir / "hangup.yaml", configuration(to(secure)));
  const Finished check = run({binary(), "check", "-c", (dir / "hangup.yaml").string()});
  EXPECT_EQ(check.exit.status, 1);
  EXPECT_TRUE(check.err.contains("upstream `app`: cannot use the CA file " + ca_file.string())) << check.err;
  const Finished started = run({binary(), "run", "-c", (dir / "hangup.yaml").string()});
  EXPECT_EQ(started.exit.status, 3);
  EXPECT_TRUE(started.err.contains("upstream `app`: cannot use the CA file " + ca_file.string()));
}

// The call goes to the address that had the request, by TLS, trusting and naming what the upstream says.
TEST_F(UpstreamTls, ACleanupToTheSameServerSpeaksTlsAsTheUpstreamDoes) {
  MockUpstream named(options(make_identity("DNS:localhost", &ca)));
  named.on("/work", never_answer());
  Yaml yaml = to(named);
  yaml.servers = '"' + at_localhost(named) + '"';
  yaml.cleanup_url = "/jobs/7";
  for (const char* receivers : {"same_server", "every_server"}) {
    yaml.cleanup = std::string("method: DELETE, to: ") + receivers;
    hangup = std::make_unique<Hangup>(configuration(yaml));
    const std::size_t before = named.request_count();
    Client client = connect();
    client.send(get("/work"));
    named.wait_for_requests(before + 1);
    client.close();
    named.wait_for_requests(before + 2);
    const RequestRecord call = named.requests().back();
    EXPECT_EQ(call.message.method, "DELETE");
    EXPECT_EQ(call.message.target, "/jobs/7");
    EXPECT_EQ(named.connections().at(call.connection).server_name, "localhost");
    hangup->stop();
  }
}

TEST_F(UpstreamTls, ACleanupsOwnTlsGoesBeforeTheUpstreams) {
  const Identity other_ca = make_identity("", nullptr);
  const auto other = files.certificate(other_ca, "other.pem").string();
  secure.on("/work", never_answer());
  Yaml yaml = to(secure);
  yaml.cleanup_url = "/jobs/7";
  yaml.cleanup = "method: DELETE, to: same_server, retry: {max_attempts: 1}, tls: {ca: " + other + "}";
  start(yaml);
  Client client = connect();
  client.send(get("/work"));
  secure.wait_for_request("/work");
  client.close();
  const Json line =
      hangup->wait_for_log("the attempt", [](const Json& each) { return each.at("type") == "cleanup"; });
  EXPECT_TRUE(line.at("error").get<std::string>().contains("unable to get local issuer certificate")) << line;
  EXPECT_EQ(secure.request_count(), 1U);
}

}  // namespace
}  // namespace hangup::test
