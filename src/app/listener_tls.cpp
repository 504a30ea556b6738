#include "app/listener_tls.h"

#include <utility>

#include <hangup/downstream/front_end.h>

namespace hangup::app {

Result<std::shared_ptr<const net::TlsServer>> make_listener_tls(const config::Listener& listener) {
  const config::ServerTls& tls = *listener.tls;
  net::TlsServer::Options options{.certificates = {},
                                  .client_ca = tls.client_ca,
                                  .client_certificate_required = tls.client_certificates_required,
                                  .only_tls13 = tls.only_tls13,
                                  .protocols = downstream::protocols()};
  for (const auto& files : tls.certificates) options.certificates.push_back({files.certificate, files.key});
  auto made = net::TlsServer::make(options);
  if (!made) return std::unexpected(Error{"listener `" + listener.name + "`: " + made.error().message});
  return made;
}

}  // namespace hangup::app
