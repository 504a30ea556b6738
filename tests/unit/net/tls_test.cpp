#include "support/certificates.h"

#include <gmock/gmock.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include <hangup/net/fd.h>
#include <hangup/net/tls.h>

namespace hangup::net {
namespace {

using Status = IoResult::Status;

// Our side of a TLS connection, and OpenSSL's own server at the other end, over a UNIX socket.
class TlsConnectionTest : public testing::Test {
 protected:
  TlsConnectionTest() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    socket = Fd(ends[0]);
    server_socket = Fd(ends[1]);
    SSL_set_fd(server.get(), server_socket.get());
    const auto client =
        TlsClient::make({.ca = files.certificate(ca, "ca.pem"), .certificate = {}, .key = {}});
    peer = std::make_shared<TlsPeer>(client.value(), "localhost");
    ours = peer->connect();
    ours->attach(socket.get());
    IoResult result{Status::would_block, 0, 0};
    for (int turns = 0; turns < 10 && result.status == Status::would_block; ++turns) {
      result = ours->handshake();
      SSL_accept(server.get());
    }
    EXPECT_EQ(result.status, Status::ok) << ours->failure();
    EXPECT_EQ(SSL_is_init_finished(server.get()), 1);
  }
  IoResult write(std::string bytes) {
    const iovec piece{bytes.data(), bytes.size()};
    return ours->write({&piece, 1});
  }
  void renew_keys() const {
    ASSERT_EQ(SSL_key_update(server.get(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    ASSERT_EQ(SSL_do_handshake(server.get()), 1);
  }

  test::PemFiles files;
  const test::Identity ca = test::make_identity("", nullptr);
  const test::Identity local = test::make_identity("DNS:localhost", &ca);
  const std::shared_ptr<SSL_CTX> context = test::make_server_context(local);
  Fd socket;
  Fd server_socket;
  std::unique_ptr<SSL, decltype(&SSL_free)> server{SSL_new(context.get()), SSL_free};
  std::shared_ptr<TlsPeer> peer;
  std::unique_ptr<TlsConnection> ours;
};

TEST_F(TlsConnectionTest, ANameThatIsTooLongToBeSentIsNoReasonToEnd) {
  const auto client = TlsClient::make({.ca = files.path("ca.pem"), .certificate = {}, .key = {}});
  const auto nobody = std::make_shared<TlsPeer>(client.value(), std::string(300, 'a'));
  EXPECT_NE(nobody->connect(), nullptr);
}

TEST_F(TlsConnectionTest, WhatThePeerSaidBeforeItClosedIsReadAfterAFailedWrite) {
  const std::string answer = "too much";
  ASSERT_EQ(SSL_write(server.get(), answer.data(), static_cast<int>(answer.size())), 8);
  server_socket.reset();
  EXPECT_EQ(write("more").status, Status::failed);
  EXPECT_EQ(write("and more").status, Status::failed);
  EXPECT_FALSE(ours->over());
  std::array<char, 100> buffer{};
  const IoResult read = ours->read(buffer);
  ASSERT_EQ(read.status, Status::ok);
  EXPECT_EQ(std::string(buffer.data(), read.bytes), answer);
  EXPECT_NE(ours->read(buffer).status, Status::ok);
  EXPECT_TRUE(ours->over());
}

TEST_F(TlsConnectionTest, OfAPeerThatSendsRecordsWithoutDataAndNoEndOfThemFails) {
  std::array<char, 100> buffer{};
  IoResult result{Status::would_block, 0, 0};
  int sent = 0;
  while (result.status == Status::would_block && ++sent < 10'000) {
    renew_keys();
    result = ours->read(buffer);
  }
  EXPECT_EQ(result.status, Status::failed);
  EXPECT_EQ(result.error, EPROTO);
  EXPECT_THAT(ours->failure(), testing::HasSubstr("records without data"));
  EXPECT_GT(sent, 100);
  EXPECT_TRUE(ours->over());
}

TEST_F(TlsConnectionTest, GoesOnWithNewKeysAsOftenAsThereIsData) {
  std::array<char, 100> buffer{};
  for (int i = 0; i < 2000; ++i) {
    renew_keys();
    ASSERT_EQ(SSL_write(server.get(), "x", 1), 1);
    const IoResult result = ours->read(buffer);
    ASSERT_EQ(result.status, Status::ok) << i;
    ASSERT_EQ(result.bytes, 1U);
  }
}

// However small the records are, reading some of them takes little time; and none is forgotten.
TEST_F(TlsConnectionTest, SaysThatThereMayBeMoreBehindManySmallRecords) {
  for (int i = 0; i < 200; ++i) ASSERT_EQ(SSL_write(server.get(), "x", 1), 1);
  std::array<char, 1000> buffer{};
  std::size_t total = 0;
  for (;;) {
    const IoResult result = ours->read(buffer);
    ASSERT_EQ(result.status, Status::ok);
    total += result.bytes;
    if (!result.more) break;
    EXPECT_LT(result.bytes, 100U);
  }
  EXPECT_EQ(total, 200U);
  EXPECT_EQ(ours->read(buffer).status, Status::would_block);
}

// What two clients trust and show is the same, or is not.
class SameTlsClient : public testing::Test {
 protected:
  static std::shared_ptr<const TlsClient> make(const TlsClient::Options& options) {
    return TlsClient::make(options).value();
  }
  std::filesystem::path identity(const test::Identity& whose, const std::string& name) const {
    return written(name, read(files.certificate(whose, "cert.pem")) + read(files.key(whose, "key.pem")));
  }
  std::filesystem::path written(const std::string& name, const std::string& text) const {
    std::ofstream(files.path(name)) << text;
    return files.path(name);
  }
  static std::string read(const std::filesystem::path& file) {
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  test::PemFiles files;
  const test::Identity ca = test::make_identity("", nullptr);
  const test::Identity other_ca = test::make_identity("", nullptr);
  const std::string ca_text = read(files.certificate(ca, "ca.pem"));
  const std::string other_ca_text = read(files.certificate(other_ca, "other-ca.pem"));
};

TEST_F(SameTlsClient, IsOneOfFilesThatHoldTheSameWhateverTheyAreCalledAndSayBeside) {
  const test::Identity one = test::make_identity("DNS:hangup", &ca);
  const auto made = make({.ca = files.path("ca.pem"), .certificate = identity(one, "one.pem"), .key = {}});
  EXPECT_TRUE(made->is_same(*make({.ca = written("copy.pem", "# A comment\n" + ca_text),
                                   .certificate = files.path("cert.pem"),
                                   .key = files.path("key.pem")})));
}

TEST_F(SameTlsClient, IsNoneThatTrustsAnother) {
  const auto made = make({.ca = files.path("ca.pem"), .certificate = {}, .key = {}});
  for (const std::string& text : {other_ca_text, ca_text + other_ca_text})
    EXPECT_FALSE(made->is_same(*make({.ca = written("now.pem", text), .certificate = {}, .key = {}})));
  EXPECT_FALSE(made->is_same(*make({})));
}

TEST_F(SameTlsClient, IsNoneThatShowsAnotherCertificateOrChainOrNone) {
  const test::Identity one = test::make_identity("DNS:hangup", &ca);
  const std::filesystem::path trusted = files.path("ca.pem");
  const auto made = make({.ca = trusted, .certificate = identity(one, "one.pem"), .key = {}});
  const std::string own = read(files.path("one.pem"));
  const test::Identity renewed =
      test::make_identity("DNS:hangup", &ca, -3600, 7200, EVP_PKEY_dup(one.key.get()));
  EXPECT_FALSE(made->is_same(*make({.ca = trusted, .certificate = {}, .key = {}})));
  EXPECT_FALSE(made->is_same(*make({.ca = trusted, .certificate = identity(renewed, "new.pem"), .key = {}})));
  EXPECT_FALSE(
      made->is_same(*make({.ca = trusted, .certificate = written("chain.pem", own + ca_text), .key = {}})));
}

}  // namespace
}  // namespace hangup::net
