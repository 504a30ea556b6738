// Deliveries by TLS, signed, and over UNIX sockets: the real outbox against real sockets.
#include "scripted_receiver.h"
#include "support/capturing_sink.h"
#include "support/certificates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/un.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include <hangup/cleanup/cleanup.h>

namespace hangup::cleanup {
namespace {

using namespace std::chrono_literals;
using test::Identity, test::ScriptedReceiver, test::make_identity, test::make_server_context;
using testing::HasSubstr, testing::StartsWith;
using Request = ScriptedReceiver::Request;

class Https : public testing::Test {
 protected:
  Https() {
    cleanup.name = "stop";
    cleanup.tls.ca = files.certificate(ca, "ca.pem");
  }
  // Delivers once to `url`, with one attempt; false when it is a dead letter.
  bool deliver(const std::string& url) { return deliver(delivery_to(url)); }
  bool deliver(Delivery delivery) {
    if (!outbox) {
      config::Config config;
      config.cleanups = {std::make_shared<config::Cleanup>(cleanup)};
      outbox = std::make_unique<MemoryOutbox>(MemoryOutbox::Options{}, load_credentials(config).value(),
                                              access.logger, log.logger);
    }
    const auto before = outbox->counts().delivered;
    outbox->add({std::move(delivery)});
    EXPECT_TRUE(outbox->drain(30s));
    return outbox->counts().delivered == before + 1;
  }
  static Delivery delivery_to(const std::string& url) {
    Delivery delivery;
    delivery.id = "msg_1";
    delivery.cleanup = "stop";
    delivery.method = "POST";
    delivery.url = url;
    delivery.headers = {{"webhook-id", "msg_1"}, {"webhook-timestamp", "0"}};
    delivery.body = R"({"a":1})";
    delivery.timeout = 10s;
    delivery.retry.max_attempts = 1;
    return delivery;
  }
  std::string error() const {
    return nlohmann::json::parse(access.messages().back()).at("error").get<std::string>();
  }
  static ScriptedReceiver::Script always(ScriptedReceiver::Reply reply) {
    return [reply = std::move(reply)](int, const Request&) { return reply; };
  }
  static ScriptedReceiver::Script ok() { return always(ScriptedReceiver::respond("200 OK")); }
  static std::string field(const Request& request, const std::string& name) {
    const std::size_t start = request.head.find("\r\n" + name + ": ");
    if (start == std::string::npos) return {};
    const std::size_t from = start + name.size() + 4;
    return request.head.substr(from, request.head.find("\r\n", from) - from);
  }

  test::PemFiles files;
  const Identity ca = make_identity("", nullptr);
  const Identity local = make_identity("IP:127.0.0.1,DNS:localhost", &ca);
  config::Cleanup cleanup;
  test::CapturingLogger access;
  test::CapturingLogger log;
  std::unique_ptr<MemoryOutbox> outbox;
};

TEST_F(Https, ReachesAReceiverWhoseCaIsTrusted) {
  ScriptedReceiver receiver(ok(), 0, make_server_context(local));
  EXPECT_TRUE(deliver(receiver.url("/jobs/7")));
  EXPECT_THAT(receiver.requests().at(0).head, StartsWith("POST /jobs/7 HTTP/1.1\r\n"));
  EXPECT_EQ(receiver.requests().at(0).server_name, "");  // an address is no name
}

TEST_F(Https, SendsTheNameThatItVerifies) {
  ScriptedReceiver receiver(ok(), 0, make_server_context(local));
  EXPECT_TRUE(deliver("https://localhost:" + std::to_string(receiver.port()) + "/"));
  EXPECT_EQ(receiver.requests().at(0).server_name, "localhost");
}

TEST_F(Https, ANameThatEndsInADotIsVerifiedWithoutIt) {
  ScriptedReceiver receiver(ok(), 0, make_server_context(local));
  Delivery delivery = delivery_to(receiver.url());
  delivery.server_name = "localhost.";
  EXPECT_TRUE(deliver(std::move(delivery))) << error();
  EXPECT_EQ(receiver.requests().at(0).server_name, "localhost");
}

TEST_F(Https, VerifiesTheConfiguredNameInsteadOfTheUrls) {
  cleanup.tls.server_name = "hooks.example";
  ScriptedReceiver receiver(ok(), 0, make_server_context(make_identity("DNS:hooks.example", &ca)));
  EXPECT_TRUE(deliver(receiver.url()));
  EXPECT_EQ(receiver.requests().at(0).server_name, "hooks.example");
}

TEST_F(Https, AConnectionServesOneDeliveryAfterAnother) {
  ScriptedReceiver receiver(ok(), 0, make_server_context(local));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(deliver(receiver.url()));
  EXPECT_EQ(receiver.requests().at(2).connection, 0);
}

TEST_F(Https, ANewConnectionResumesTheSession) {
  ScriptedReceiver receiver(always(ScriptedReceiver::respond("200 OK", "Connection: close\r\n")), 0,
                            make_server_context(local));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(deliver(receiver.url()));
  EXPECT_FALSE(receiver.requests().at(0).resumed);
  EXPECT_TRUE(receiver.requests().at(1).resumed);
}

TEST_F(Https, ABigBodyArrivesWhole) {
  ScriptedReceiver receiver(ok(), 0, make_server_context(local));
  Delivery delivery = delivery_to(receiver.url());
  delivery.body.assign(8'000'000, 'x');
  delivery.body += "end";
  EXPECT_TRUE(deliver(delivery));
  EXPECT_EQ(receiver.requests().at(0).body, delivery.body);
}

TEST_F(Https, RefusesEveryCertificateThatItCantVerify) {
  const Identity other_ca = make_identity("", nullptr);
  const struct {
    Identity identity;
    const char* because;
  } cases[] = {
      {make_identity("DNS:other.example,IP:127.0.0.2", &ca),
       "IP address mismatch: it is not valid for 127.0.0.1"},
      {make_identity("IP:127.0.0.1", &ca, -7200, -3600), "certificate has expired"},
      {make_identity("IP:127.0.0.1", &ca, 3600, 7200), "certificate is not yet valid"},
      {make_identity("IP:127.0.0.1", nullptr), "self-signed certificate"},
      {make_identity("IP:127.0.0.1", &other_ca), "unable to get local issuer certificate"},
  };
  for (const auto& each : cases) {
    ScriptedReceiver receiver(ok(), 0, make_server_context(each.identity));
    EXPECT_FALSE(deliver(receiver.url()));
    EXPECT_EQ(error(), std::string("TLS: the certificate is not accepted: ") + each.because);
    EXPECT_TRUE(receiver.requests().empty());
  }
}

TEST_F(Https, AWrongHostNameIsRefused) {
  ScriptedReceiver receiver(ok(), 0, make_server_context(make_identity("DNS:other.example", &ca)));
  EXPECT_FALSE(deliver("https://localhost:" + std::to_string(receiver.port()) + "/"));
  EXPECT_THAT(error(), HasSubstr("hostname mismatch: it is not valid for localhost"));
}

TEST_F(Https, AReceiverOfPlainTextIsAnErrorThatSaysSo) {
  ScriptedReceiver receiver(ok());
  receiver.url();
  std::string url = receiver.url();
  url.insert(4, "s");
  Delivery delivery = delivery_to(url);
  delivery.timeout = 200ms;  // it waits for a blank line, as we do for its handshake
  EXPECT_FALSE(deliver(std::move(delivery)));
  EXPECT_EQ(error(), "timed out in the TLS handshake");
}

TEST_F(Https, ShowsItsCertificateToAReceiverThatAsks) {
  const Identity client = make_identity("DNS:hangup", &ca);
  cleanup.tls.certificate = files.certificate(client, "client.pem");
  cleanup.tls.key = files.key(client, "client.key");
  ScriptedReceiver receiver(ok(), 0, make_server_context(local, &ca));
  EXPECT_TRUE(deliver(receiver.url()));
}

TEST_F(Https, WithoutTheCertificateThatIsAskedForItIsRefused) {
  ScriptedReceiver receiver(ok(), 0, make_server_context(local, &ca));
  EXPECT_FALSE(deliver(receiver.url()));
  EXPECT_TRUE(receiver.requests().empty());
}

TEST_F(Https, AFileThatCantBeUsedIsAnErrorThatNamesCleanupFileAndReason) {
  const Identity client = make_identity("DNS:hangup", &ca);
  const auto fault = [&] {
    config::Config config;
    config.cleanups = {std::make_shared<config::Cleanup>(cleanup)};
    const auto loaded = load_credentials(config);
    return loaded ? std::string("none") : loaded.error().message;
  };
  EXPECT_EQ(fault(), "none");
  cleanup.tls.ca = files.path("missing.pem");
  EXPECT_EQ(fault(), "cleanup `stop`: cannot use the CA file " + files.path("missing.pem").string() +
                         ": No such file or directory");
  cleanup.tls.ca = files.key(client, "client.key");
  EXPECT_THAT(fault(), StartsWith("cleanup `stop`: cannot use the CA file"));
  cleanup.tls.ca.clear();
  cleanup.tls.certificate = files.path("client.key");
  EXPECT_THAT(fault(), HasSubstr("cannot use the certificate " + files.path("client.key").string()));
  cleanup.tls.certificate = files.certificate(client, "client.pem");
  cleanup.tls.key = files.key(client, "client.key");
  std::filesystem::permissions(cleanup.tls.key, std::filesystem::perms(0644));
  EXPECT_THAT(fault(), StartsWith("cleanup `stop`: the key " + cleanup.tls.key.string() + ": is open to"));
  cleanup.tls.allow_insecure_permissions = true;
  EXPECT_EQ(fault(), "none");
  cleanup.tls.allow_insecure_permissions = false;
  cleanup.tls.key = files.key(local, "other.key");
  EXPECT_THAT(fault(), HasSubstr("it is not the certificate's"));
  cleanup.tls.key = files.key(client, "encrypted.key", "secret");
  EXPECT_THAT(fault(), HasSubstr("cannot use the key " + files.path("encrypted.key").string() +
                                 ": it is encrypted, and nobody is there"));
  cleanup.tls.key = files.certificate(client, "no.key");
  std::filesystem::permissions(cleanup.tls.key, std::filesystem::perms(0600));
  EXPECT_THAT(fault(), HasSubstr("it holds no private key in PEM"));
  cleanup.tls.certificate = files.path("client.key");
  EXPECT_THAT(fault(), HasSubstr("it holds no certificate in PEM"));
}

TEST_F(Https, ACleanupThatTheConfigurationHasNoMoreTrustsTheSystemOnly) {
  ScriptedReceiver receiver(ok(), 0, make_server_context(local));
  Delivery delivery = delivery_to(receiver.url());
  delivery.cleanup = "gone";
  EXPECT_FALSE(deliver(std::move(delivery)));
  EXPECT_THAT(error(), StartsWith("TLS: the certificate is not accepted: "));
}

class HttpsToAnUpstream : public Https {
 protected:
  HttpsToAnUpstream() {
    cleanup.tls = {};
    upstream.name = "app";
    upstream.tls.ca = files.path("ca.pem");
    upstream.servers = {{.url = "https://reports.internal:9000",
                         .address = SocketAddress::parse("127.0.0.1:9000").value(),
                         .authority = "reports.internal:9000",
                         .https = true,
                         .tls_name = "reports.internal",
                         .upstream = "app"}};
  }
  // To the server, as render() makes it.
  bool deliver_to(ScriptedReceiver& receiver) {
    config::Config config;
    config.cleanups = {std::make_shared<config::Cleanup>(cleanup)};
    config.upstreams = {std::make_shared<config::Upstream>(upstream)};
    outbox = std::make_unique<MemoryOutbox>(MemoryOutbox::Options{}, load_credentials(config).value(),
                                            access.logger, log.logger);
    Delivery delivery = delivery_to(receiver.url());
    delivery.upstream = "app";
    delivery.server_name = "reports.internal";
    return deliver(std::move(delivery));
  }
  config::Upstream upstream;
};

TEST_F(HttpsToAnUpstream, ItsTlsSettingsCountWhereTheCleanupHasNone) {
  ScriptedReceiver receiver(ok(), 0, make_server_context(make_identity("DNS:reports.internal", &ca)));
  EXPECT_TRUE(deliver_to(receiver));
  EXPECT_EQ(receiver.requests().at(0).server_name, "reports.internal");
}

TEST_F(HttpsToAnUpstream, TheCleanupsOwnCountFirst) {
  const Identity other_ca = make_identity("", nullptr);
  cleanup.tls.ca = files.certificate(other_ca, "other.pem");
  cleanup.tls.server_name = "hooks.example";
  ScriptedReceiver receiver(ok(), 0, make_server_context(make_identity("DNS:hooks.example", &other_ca)));
  EXPECT_TRUE(deliver_to(receiver));
  EXPECT_EQ(receiver.requests().at(0).server_name, "hooks.example");
}

// A certificate of the cleanup's own leaves the upstream's CA as it is, and the other way round.
TEST_F(HttpsToAnUpstream, EachSettingThatTheCleanupDoesNotHaveIsTheUpstreams) {
  const Identity client = make_identity("DNS:hangup", &ca);
  cleanup.tls.certificate = files.certificate(client, "client.pem");
  cleanup.tls.key = files.key(client, "client.key");
  ScriptedReceiver receiver(ok(), 0, make_server_context(make_identity("DNS:reports.internal", &ca), &ca));
  EXPECT_TRUE(deliver_to(receiver));
  EXPECT_EQ(receiver.requests().at(0).server_name, "reports.internal");

  std::swap(upstream.tls.certificate, cleanup.tls.certificate);
  std::swap(upstream.tls.key, cleanup.tls.key);
  std::swap(upstream.tls.ca, cleanup.tls.ca);
  EXPECT_TRUE(deliver_to(receiver));
}

TEST_F(HttpsToAnUpstream, AFileThatIsNoneIsAnErrorThatNamesTheUpstream) {
  upstream.tls.ca = files.key(local, "local.key");
  config::Config config;
  config.upstreams = {std::make_shared<config::Upstream>(upstream)};
  const auto loaded = load_credentials(config);
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, StartsWith("upstream `app`: cannot use the CA file"));
}

TEST_F(Https, NewCredentialsCountForTheNextAttemptAndOldConnectionsAreNotUsedOn) {
  ScriptedReceiver receiver(ok(), 0, make_server_context(local));
  EXPECT_TRUE(deliver(receiver.url()));
  const Identity other_ca = make_identity("", nullptr);
  config::Config config;
  config::Cleanup changed = cleanup;
  changed.tls.ca = files.certificate(other_ca, "other.pem");
  config.cleanups = {std::make_shared<config::Cleanup>(changed)};
  outbox->use(load_credentials(config).value());
  EXPECT_FALSE(deliver(receiver.url()));
  config.cleanups = {std::make_shared<config::Cleanup>(cleanup)};
  outbox->use(load_credentials(config).value());
  EXPECT_TRUE(deliver(receiver.url()));
  EXPECT_FALSE(receiver.requests().at(1).resumed);
}

TEST_F(Https, TheReplysBodyIsBounded) {
  ScriptedReceiver receiver(
      always({"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + std::string(100'000'000, 'x')}), 0,
      make_server_context(local));
  EXPECT_TRUE(deliver(receiver.url()));
}

TEST_F(Https, AUnixSocketIsConnectedToInsteadOfTheUrlsHost) {
  const std::string path = files.path("app.sock").string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  std::string request;
  std::thread server([&] {
    const int fd = ::accept(listener, nullptr, nullptr);
    char bytes[4096];
    while (!request.ends_with(R"({"a":1})")) {
      const ssize_t count = ::recv(fd, bytes, sizeof bytes, 0);
      if (count <= 0) break;
      request.append(bytes, static_cast<std::size_t>(count));
    }
    constexpr std::string_view answer = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
    ::close(fd);
  });
  Delivery delivery = delivery_to("http://localhost/jobs/7");
  delivery.socket = path;
  EXPECT_TRUE(deliver(std::move(delivery)));
  server.join();
  ::close(listener);
  EXPECT_THAT(request, StartsWith("POST /jobs/7 HTTP/1.1\r\nHost: localhost\r\n"));
}

TEST_F(Https, ASignatureArrivesThatEachKeyVerifies) {
  cleanup.signing_keys = {"the new key", "the old key"};
  ScriptedReceiver receiver(ok());
  Delivery delivery = delivery_to(receiver.url());
  delivery.is_signed = true;
  EXPECT_TRUE(deliver(std::move(delivery)));
  const Request request = receiver.requests().at(0);
  std::string expected;
  for (const std::string& key : cleanup.signing_keys) {
    unsigned char code[32];
    std::size_t size = 0;
    const std::string content = "msg_1." + field(request, "webhook-timestamp") + '.' + request.body;
    EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, key.data(), key.size(),
              reinterpret_cast<const unsigned char*>(content.data()), content.size(), code, sizeof code,
              &size);
    unsigned char text[64];
    EVP_EncodeBlock(text, code, static_cast<int>(size));
    expected += (expected.empty() ? "v1," : " v1,") + std::string(reinterpret_cast<char*>(text));
  }
  EXPECT_EQ(field(request, "webhook-signature"), expected);
}

TEST_F(Https, WithoutItsKeyASignedDeliveryIsADeadLetterAndNothingIsSent) {
  ScriptedReceiver receiver(ok());
  Delivery delivery = delivery_to(receiver.url());
  delivery.is_signed = true;
  delivery.retry.max_attempts = 10;
  EXPECT_FALSE(deliver(std::move(delivery)));
  EXPECT_TRUE(receiver.requests().empty());
  EXPECT_EQ(error(), "the configuration has no signing key for cleanup `stop` any more");
}

}  // namespace
}  // namespace hangup::cleanup
