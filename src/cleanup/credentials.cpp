#include "cleanup/credentials.h"

#include <utility>

namespace hangup::cleanup {

Result<std::shared_ptr<const Credentials>> Credentials::load(
    const std::vector<std::shared_ptr<const config::Cleanup>>& cleanups) {
  const auto credentials = std::make_shared<Credentials>();
  auto system = net::TlsClient::make({});
  if (!system) return std::unexpected(std::move(system.error()));
  credentials->defaults_.tls = std::move(*system);
  for (const auto& cleanup : cleanups) {
    const config::ClientTls& tls = cleanup->tls;
    Entry entry{.signing_keys = cleanup->signing_keys,
                .tls = credentials->defaults_.tls,
                .server_name = tls.server_name,
                .own_tls = !tls.ca.empty() || !tls.certificate.empty() || !tls.server_name.empty()};
    if (!tls.ca.empty() || !tls.certificate.empty()) {
      auto own = net::TlsClient::make({.ca = tls.ca, .certificate = tls.certificate, .key = tls.key});
      if (!own) return std::unexpected(Error{"cleanup `" + cleanup->name + "`: " + own.error().message});
      entry.tls = std::move(*own);
    }
    credentials->by_name_.insert_or_assign(cleanup->name, std::move(entry));
  }
  return credentials;
}

const Credentials::Entry& Credentials::of(std::string_view cleanup) const {
  const auto found = by_name_.find(cleanup);
  return found == by_name_.end() ? defaults_ : found->second;
}

Result<std::shared_ptr<const Credentials>> load_credentials(const config::Config& config) {
  return Credentials::load(config.cleanups);
}

}  // namespace hangup::cleanup
