// A listener that speaks TLS, with certificates made for the test.
#pragma once

#include "e2e/fixture.h"
#include "support/tls_client.h"

#include <string>
#include <utility>

namespace hangup::test {

class TlsEndToEnd : public EndToEnd {
 protected:
  // "{cert: ..., key: ...}" of files with this identity.
  std::string files_of(const Identity& identity, const std::string& name) const {
    return "{cert: \"" + files.certificate(identity, name + ".pem").string() + "\", key: \"" +
           files.key(identity, name + ".key").string() + "\"}";
  }
  // With the certificate for localhost, and more members of tls.
  Yaml tls_yaml(const std::string& more = {}, const std::string& more_of_listener = {}) const {
    Yaml yaml;
    yaml.listener = "tls: {certificates: [" + files_of(server, "server") + "]" +
                    (more.empty() ? "" : ", " + more) + "}" +
                    (more_of_listener.empty() ? "" : ", " + more_of_listener);
    return yaml;
  }
  std::string ca_file() const { return files.certificate(ca, "ca.pem").string(); }
  TlsOptions trusting(const std::string& name = "localhost") const {
    TlsOptions options;
    options.server_name = name;
    options.ca = &ca;
    return options;
  }
  // After its handshake.
  TlsClient connect_tls(TlsOptions options, const BufferSizes& buffers = {}) const {
    TlsClient client(hangup->where(), std::move(options), buffers);
    if (!client.handshake()) throw std::runtime_error("no handshake: " + client.failure());
    return client;
  }
  TlsClient connect_tls() const { return connect_tls(trusting()); }
  static std::string ask(TlsClient& client, const std::string& path = "/") {
    client.send("GET " + path + " HTTP/1.1\r\nHost: test.example\r\n\r\n");
    return client.read_until("\r\n\r\nok");
  }

  PemFiles files;
  const Identity ca = make_identity("", nullptr);
  const Identity server = make_identity("DNS:localhost", &ca);
};

}  // namespace hangup::test
