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
  const auto refused = [&](const Error& error) {
    return std::unexpected(Error{"listener `" + listener.name + "`: " + error.message});
  };
  for (const auto& files : tls.certificates) {
    if (const auto may = config::check_private_key(files.key, tls.allow_insecure_permissions); !may)
      return refused(may.error());
    options.certificates.push_back({files.certificate, files.key});
  }
  auto made = net::TlsServer::make(options);
  if (!made) return refused(made.error());
  return made;
}

}  // namespace hangup::app
