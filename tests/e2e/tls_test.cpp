// TLS as clients and operators see it: what is spoken, which certificates are shown, who is let in.
#include "e2e/tls_fixture.h"

#include <gmock/gmock.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <vector>

namespace hangup::test {
namespace {

using ::testing::ContainsRegex, ::testing::HasSubstr, ::testing::Not, ::testing::StartsWith;

class Tls : public TlsEndToEnd {
 protected:
  std::string seen_upstream(std::string_view name) const {
    return upstream.requests().back().message.header(name).value_or("");
  }
};

TEST_F(Tls, CarriesRequestsAndTellsServersAndTheLog) {
  start(tls_yaml());
  TlsClient client = connect_tls();
  EXPECT_EQ(client.version(), "TLSv1.3");
  EXPECT_THAT(ask(client), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(ask(client, "/again"), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(seen_upstream("X-Forwarded-Proto"), "https");
  client.close();
  const Json exchange = only_exchange("/again");
  EXPECT_EQ(exchange.at("tls_version"), "TLSv1.3");
  EXPECT_THAT(exchange.at("tls_cipher").get<std::string>(), StartsWith("TLS_"));
}

TEST_F(Tls, ServesCurl) {
  upstream.on("/big", Script().send(response(200, std::string(3'000'000, 'b'))));
  start(tls_yaml());
  const std::string port = std::to_string(hangup->where().port());
  const auto curl = [&](std::vector<std::string> more) {
    std::vector<std::string> argv{"curl",       "--silent",  "--show-error",
                                  "--max-time", "20",        "--cacert",
                                  ca_file(),    "--resolve", "localhost:" + port + ":127.0.0.1"};
    argv.insert(argv.end(), more.begin(), more.end());
    const Finished finished = run(argv);
    EXPECT_EQ(finished.exit.status, 0) << finished.err;
    return finished.out;
  };
  const std::string url = "https://localhost:" + port;
  EXPECT_EQ(curl({url + "/work"}), "ok");
  EXPECT_EQ(curl({"--tls-max", "1.2", "--data", "a=b", url + "/work"}), "ok");
  EXPECT_EQ(curl({url + "/big"}).size(), 3'000'000U);
}

TEST_F(Tls, HandshakesInPiecesWork) {
  start(tls_yaml());
  TlsOptions bytewise = trusting();
  bytewise.piece = 1;
  TlsClient client = connect_tls(bytewise);
  EXPECT_THAT(ask(client), StartsWith("HTTP/1.1 200"));
}

TEST_F(Tls, SpeaksNothingBelow12AndNothingWithoutForwardSecrecy) {
  start(tls_yaml());
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    TlsOptions old = trusting();
    old.version = version;
    TlsClient client(hangup->where(), old);
    EXPECT_FALSE(client.handshake());
    EXPECT_THAT(client.failure(), HasSubstr("protocol version"));
  }
  for (const char* ciphers :
       {"ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256"}) {
    TlsOptions weak = trusting();
    weak.version = TLS1_2_VERSION;
    weak.ciphers = ciphers;
    EXPECT_FALSE(TlsClient(hangup->where(), weak).handshake()) << ciphers;
  }
  TlsOptions good = trusting();
  good.version = TLS1_2_VERSION;
  EXPECT_EQ(connect_tls(good).version(), "TLSv1.2");
  drain();
  EXPECT_THAT(hangup->log(), HasSubstr("unsupported protocol"));
  EXPECT_THAT(hangup->log(), HasSubstr("no shared cipher"));
}

TEST_F(Tls, SpeaksOnly13WhereThatIsAsked) {
  start(tls_yaml("min_version: \"1.3\""));
  TlsOptions older = trusting();
  older.version = TLS1_2_VERSION;
  EXPECT_FALSE(TlsClient(hangup->where(), older).handshake());
  EXPECT_EQ(connect_tls().version(), "TLSv1.3");
}

TEST_F(Tls, OffersHttp11AndRefusesClientsThatSpeakNothingElse) {
  start(tls_yaml());
  TlsOptions both = trusting();
  both.protocols = "h2,http/1.1";
  EXPECT_EQ(connect_tls(both).protocol(), "http/1.1");
  TlsOptions other = trusting();
  other.protocols = "h2";
  TlsClient client(hangup->where(), other);
  EXPECT_FALSE(client.handshake());
  EXPECT_THAT(client.failure(), HasSubstr("no application protocol"));
}

TEST_F(Tls, ResumesSessionsOnEveryWorkerInBothVersions) {
  start(tls_yaml());
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsOptions options = trusting();
    options.version = version;
    TlsClient first = connect_tls(options);
    ask(first);
    EXPECT_FALSE(first.resumed());
    options.session = first.session();
    for (int i = 0; i < 6; ++i) {
      TlsClient next = connect_tls(options);
      EXPECT_TRUE(next.resumed()) << version;
      ask(next);
      options.session = next.session();
    }
  }
}

TEST_F(Tls, RefusesToRenegotiate) {
  start(tls_yaml());
  TlsOptions options = trusting();
  options.version = TLS1_2_VERSION;
  TlsClient client = connect_tls(options);
  ask(client);
  EXPECT_FALSE(client.renegotiate());
  EXPECT_THAT(client.failure(), HasSubstr("renegotiation"));
  TlsClient another = connect_tls(options);
  ask(another);
}

TEST_F(Tls, GoesOnWithNewKeysWheneverTheClientWantsThem) {
  start(tls_yaml());
  TlsOptions options = trusting();
  options.version = TLS1_3_VERSION;
  TlsClient client = connect_tls(options);
  for (int i = 0; i < 3; ++i) {
    ask(client);
    client.renew_keys();
  }
  ask(client);
}

TEST_F(Tls, AResumedSessionIsStillItsClients) {
  start(tls_yaml("client_ca: \"" + ca_file() + "\", client_subject_header: X-Client-Subject"));
  const Identity known = make_identity("DNS:client", &ca);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsOptions options = trusting();
    options.version = version;
    options.identity = &known;
    TlsClient first = connect_tls(options);
    ask(first);
    const std::string subject = seen_upstream("X-Client-Subject");
    EXPECT_THAT(subject, StartsWith("CN=test "));
    options.session = first.session();
    TlsClient next = connect_tls(options);
    EXPECT_TRUE(next.resumed());
    ask(next);
    EXPECT_EQ(seen_upstream("X-Client-Subject"), subject);
  }
}

TEST_F(Tls, ShowsTheCertificateOfTheNameThatIsAskedFor) {
  const Identity wild = make_identity("DNS:*.example.com", &ca);
  const Identity exact = make_identity("DNS:api.example.com,DNS:other.test", &ca);
  Yaml yaml;
  yaml.listener = "tls: {certificates: [" + files_of(server, "a") + ", " + files_of(wild, "b") + ", " +
                  files_of(exact, "c") + "]}";
  start(yaml);
  const auto certificate_for = [&](const std::string& name) {
    TlsOptions options;
    options.server_name = name;
    const TlsClient client = connect_tls(options);
    for (const char* known : {"localhost", "other.test", "www.example.com"}) {
      if (client.server_is(known)) return std::string(known);
    }
    return std::string();
  };
  EXPECT_EQ(certificate_for("www.example.com"), "www.example.com");
  EXPECT_EQ(certificate_for("api.example.com"), "other.test");
  EXPECT_EQ(certificate_for("OTHER.test"), "other.test");
  EXPECT_EQ(certificate_for("a.b.example.com"), "localhost");
  EXPECT_EQ(certificate_for("unknown.test"), "localhost");
  EXPECT_EQ(certificate_for(""), "localhost");
}

TEST_F(Tls, ShowsTheKindOfKeyThatTheClientCanVerify) {
  const Identity rsa = make_identity("DNS:localhost", &ca, -3600, 3600, EVP_RSA_gen(2048));
  Yaml yaml;
  yaml.listener = "tls: {certificates: [" + files_of(server, "ec") + ", " + files_of(rsa, "rsa") + "]}";
  start(yaml);
  TlsOptions options = trusting();
  options.version = TLS1_2_VERSION;
  options.ciphers = "ECDHE-RSA-AES128-GCM-SHA256";
  EXPECT_EQ(connect_tls(options).server_key(), EVP_PKEY_RSA);
  options.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
  EXPECT_EQ(connect_tls(options).server_key(), EVP_PKEY_EC);
}

TEST_F(Tls, AnswersARequestInPlainTextWithWhatIsWrong) {
  start(tls_yaml());
  Client client = connect();
  const Response answer = client.exchange(get("/"));
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("this port speaks TLS"));
  EXPECT_EQ(client.wait_for_close(), Closed::fin);
  expect_end(only_exchange(), "rejected", "reading_request", 400);
  EXPECT_EQ(upstream.request_count(), 0U);
}

TEST_F(Tls, ToAPortOfPlainTextIsABadRequest) {
  start();
  TlsClient client(hangup->where());
  EXPECT_FALSE(client.handshake());
  expect_end(only_exchange(), "rejected", "reading_request", 400);
}

TEST_F(Tls, HandshakesHaveADeadline) {
  start(tls_yaml({}, "timeouts: {handshake: 1s}"));
  Client silent = connect();
  Client slow = connect();
  slow.send("\x16\x03\x01");
  EXPECT_EQ(silent.wait_for_close(), Closed::fin);
  slow.wait_for_close();
  drain();
  EXPECT_THAT(hangup->log(), HasSubstr("the TLS handshake was not done in time"));
  EXPECT_THAT(hangup->log(),
              Not(ContainsRegex("info not connected[^\n]*not begun")));  // of interest to nobody
  EXPECT_TRUE(hangup->access_log("exchange").empty());
}

TEST_F(Tls, ADrainClosesThoseThatStillArrive) {
  upstream.on("/held", Script().gate("go").send(response(200, "answered")));
  Yaml yaml = tls_yaml({}, "timeouts: {handshake: 60s}");
  yaml.workers = 1;  // which has accepted all that came before the one that it serves
  start(yaml);
  Client silent = connect();
  Client slow = connect();
  slow.send("\x16\x03\x01");
  TlsClient served = connect_tls();
  served.send("GET /held HTTP/1.1\r\nHost: test.example\r\n\r\n");
  upstream.wait_for_request("/held");
  hangup->signal(SIGTERM);
  // At once, and not because the process ends: it still has something to do.
  silent.wait_for_close();
  slow.wait_for_close();
  EXPECT_TRUE(hangup->access_log("exchange").empty());
  upstream.open("go");
  served.read_until("answered");
  EXPECT_EQ(hangup->wait_for_exit().status, 0);
}

TEST_F(Tls, ClientsThatHaveToShowACertificateAreTurnedAwayWithoutOne) {
  start(tls_yaml("client_ca: \"" + ca_file() + "\", client_subject_header: X-Client-Subject"));
  const Identity known = make_identity("DNS:client", &ca);
  const Identity stranger_ca = make_identity("", nullptr);
  const Identity stranger = make_identity("DNS:client", &stranger_ca);
  const auto get_in = [&](const Identity* identity) {
    TlsOptions options = trusting();
    options.identity = identity;
    TlsClient client(hangup->where(), options);
    if (!client.handshake()) return std::string();
    try {
      client.send(
          "GET / HTTP/1.1\r\nHost: a\r\nX-Client-Subject: CN=admin\r\nx_client_subject: CN=admin\r\n\r\n");
      return client.read_until("ok");
    } catch (const std::runtime_error&) {  // with TLS 1.3 the client hears of it after its own handshake
      return std::string();
    }
  };
  EXPECT_EQ(get_in(nullptr), "");
  EXPECT_EQ(get_in(&stranger), "");
  EXPECT_EQ(upstream.request_count(), 0U);
  EXPECT_THAT(get_in(&known), HasSubstr("200"));
  EXPECT_THAT(seen_upstream("X-Client-Subject"), StartsWith("CN=test "));
  EXPECT_EQ(seen_upstream("x_client_subject"), "");
  drain();
  EXPECT_THAT(hangup->log(), HasSubstr("peer did not return a certificate"));
  EXPECT_THAT(hangup->log(), HasSubstr("the certificate is not accepted"));
}

TEST_F(Tls, ClientsThatMayShowACertificateCantForgeItsSubject) {
  start(tls_yaml("client_ca: \"" + ca_file() +
                 "\", client_certificates: optional, client_subject_header: X-Who"));
  TlsClient client = connect_tls();
  client.send(
      "POST / HTTP/1.1\r\nHost: a\r\nX-Who: CN=admin\r\nTransfer-Encoding: chunked\r\n\r\n"
      "1\r\nx\r\n0\r\nX-Who: CN=admin\r\nX-Kept: yes\r\n\r\n");
  client.read_until("ok");
  EXPECT_EQ(seen_upstream("X-Who"), "");
  const auto trailers = upstream.requests().back().message.trailers;
  for (const auto& trailer : trailers) EXPECT_NE(trailer.name, "X-Who");
  EXPECT_FALSE(trailers.empty());
}

TEST_F(Tls, NewCertificatesAreUsedAfterAReloadAndNoConnectionIsLost) {
  upstream.on("/slow", Script().gate("go").send(response(200, "slow")));
  start(tls_yaml());
  std::vector<std::unique_ptr<TlsClient>> working;
  for (int i = 0; i < 20; ++i) {
    working.push_back(std::make_unique<TlsClient>(connect_tls()));
    working.back()->send(get("/slow"));
  }
  eventually("20 requests", [&] { return upstream.request_count() == 20; });
  files_of(make_identity("DNS:renewed.test", &ca), "server");  // over the old files
  hangup->signal(SIGHUP);
  eventually("the reload", [&] { return hangup->log().find("info reloaded ") != std::string::npos; });
  eventually("the new certificate", [&] {
    TlsOptions any;
    return connect_tls(any).server_is("renewed.test");
  });
  upstream.open("go");
  for (const auto& client : working) EXPECT_THAT(client->read_until("slow"), HasSubstr("200"));

  write_file(files.path("server.pem"), "no certificate");
  hangup->signal(SIGHUP);
  eventually("the refusal", [&] { return hangup->log().find("cannot reload") != std::string::npos; });
  EXPECT_THAT(hangup->log(), HasSubstr("server.pem: "));
  EXPECT_TRUE(connect_tls(TlsOptions{}).server_is("renewed.test"));
}

TEST_F(Tls, AKeyThatOthersMayReadIsNotTakenAtAReload) {
  start(tls_yaml());
  const std::filesystem::path key = files.path("server.key");
  files_of(make_identity("DNS:renewed.test", &ca), "server");
  std::filesystem::permissions(key, std::filesystem::perms(0644));
  hangup->signal(SIGHUP);
  eventually("the refusal", [&] { return hangup->log().find("cannot reload") != std::string::npos; });
  EXPECT_THAT(hangup->log(), HasSubstr("server.key: is open to its group and others (mode 0644)"));
  EXPECT_FALSE(connect_tls(TlsOptions{}).server_is("renewed.test"));
}

TEST_F(Tls, CheckNamesAFileThatCantBeUsedAndWarnsOfOnesThatExpire) {
  const auto check = [&](const Identity& identity) {
    Yaml yaml;
    yaml.listener = "tls: {certificates: [" + files_of(identity, "checked") + "]}";
    const std::filesystem::path file = files.path("hangup.yaml");
    write_file(file, configuration(yaml));
    return file;
  };
  const auto soon = check(make_identity("DNS:localhost", &ca, -3600, 3600));
  Finished finished = run({binary(), "check", "-c", soon.string()});
  EXPECT_EQ(finished.exit.status, 0);
  EXPECT_THAT(finished.err, HasSubstr("checked.pem expires at "));
  const auto late = check(make_identity("DNS:localhost", &ca, -7200, -3600));
  EXPECT_THAT(run({binary(), "check", "-c", late.string()}).err, HasSubstr("has expired at "));
  check(make_identity("DNS:localhost", &ca, -3600, 3000000));
  files.key(make_identity("DNS:x", &ca), "checked.key");
  finished = run({binary(), "check", "-c", late.string()});
  EXPECT_NE(finished.exit.status, 0);
  EXPECT_THAT(finished.err, HasSubstr(late.string() + ":3:29: listener `public`: cannot use the key " +
                                      files.path("checked.key").string() + ": it is not the certificate's"));
}

}  // namespace
}  // namespace hangup::test
