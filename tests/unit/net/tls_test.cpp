#include "support/certificates.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <array>
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

}  // namespace
}  // namespace hangup::net
