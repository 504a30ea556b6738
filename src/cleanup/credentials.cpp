#include "cleanup/credentials.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <hangup/base/text.h>

namespace hangup::cleanup {
namespace {

// Those of earlier configurations included.
constexpr std::size_t most_entries = 10'000;

bool names_files(const config::ClientTls& tls) {
  return !tls.ca.empty() || !tls.certificate.empty();
}

bool is_https(const std::shared_ptr<const config::Cleanup>& cleanup) {
  constexpr std::string_view scheme = "https://";
  return equals_ignoring_case(std::string_view(cleanup->url.text()).substr(0, scheme.size()), scheme);
}

// What a cleanup's own settings leave open is as the upstream has it. A certificate and its key are one.
config::ClientTls completed(config::ClientTls own, const config::ClientTls& upstream) {
  if (own.ca.empty()) own.ca = upstream.ca;
  if (own.certificate.empty()) {
    own.certificate = upstream.certificate;
    own.key = upstream.key;
  }
  return own;
}

Result<std::shared_ptr<const net::TlsClient>> make_client(const config::ClientTls& tls,
                                                          const std::string& whose) {
  if (const auto may = config::check_private_key(tls.key, tls.allow_insecure_permissions); !may)
    return std::unexpected(Error{whose + ": " + may.error().message});
  auto made = net::TlsClient::make({.ca = tls.ca, .certificate = tls.certificate, .key = tls.key});
  if (!made) return std::unexpected(Error{whose + ": " + made.error().message});
  return made;
}

}  // namespace

Result<std::shared_ptr<const Credentials>> Credentials::load(const config::Config& config,
                                                             const Credentials* before) {
  const auto credentials = std::make_shared<Credentials>();
  if (std::ranges::any_of(config.cleanups, is_https)) credentials->system();
  credentials->defaults_.allow = config.receivers;
  for (const auto& cleanup : config.cleanups) {
    const config::ClientTls& tls = cleanup->tls;
    Entry entry{.signing_keys = cleanup->signing_keys,
                .tls = nullptr,
                .at_upstream = {},
                .server_name = tls.server_name,
                .allow = cleanup->allow ? cleanup->allow : config.receivers,
                .own_tls = names_files(tls) || !tls.server_name.empty(),
                .own_allow = cleanup->allow.has_value()};
    if (names_files(tls)) {
      auto own = make_client(tls, "cleanup `" + cleanup->name + "`");
      if (!own) return std::unexpected(std::move(own.error()));
      entry.tls = std::move(*own);
    }
    credentials->by_name_.insert_or_assign(cleanup->name, std::move(entry));
  }
  for (const auto& upstream : config.upstreams) {
    if (!upstream->has_https() || !names_files(upstream->tls)) continue;
    auto made = make_client(upstream->tls, "upstream `" + upstream->name + "`");
    if (!made) return std::unexpected(std::move(made.error()));
    credentials->upstreams_.insert_or_assign(upstream->name, std::move(*made));
    for (const auto& cleanup : config.cleanups) {
      if (!names_files(cleanup->tls)) continue;
      auto both = make_client(completed(cleanup->tls, upstream->tls), "cleanup `" + cleanup->name + "`");
      if (!both) return std::unexpected(std::move(both.error()));
      Entry& entry = credentials->by_name_.find(cleanup->name)->second;
      entry.at_upstream.insert_or_assign(upstream->name, std::move(*both));
    }
  }
  if (before != nullptr) credentials->keep_removed(*before);
  return credentials;
}

// Reading what the system trusts takes longer than everything else that starting hangup does, and where all
// receivers speak plain http only a delivery of an earlier configuration wants it.
const std::shared_ptr<const net::TlsClient>& Credentials::system() const {
  std::call_once(system_wanted_, [this] {
    auto made = net::TlsClient::make({});
    if (!made) std::abort();  // out of memory
    system_ = std::move(*made);
  });
  return system_;
}

void Credentials::keep_removed(const Credentials& before) {
  for (const auto& [name, entry] : before.by_name_) {
    if (by_name_.size() == most_entries) break;
    const auto [kept, is_removed] = by_name_.emplace(name, entry);
    if (is_removed && !entry.own_allow) kept->second.allow = defaults_.allow;
  }
  for (const auto& [name, client] : before.upstreams_) {
    if (upstreams_.size() == most_entries) break;
    upstreams_.emplace(name, client);
  }
}

const Credentials::Entry& Credentials::of(std::string_view cleanup) const {
  const auto found = by_name_.find(cleanup);
  return found == by_name_.end() ? defaults_ : found->second;
}

std::shared_ptr<net::TlsPeer> Credentials::make_peer(const Delivery& delivery,
                                                     const std::string& host) const {
  const Entry& entry = of(delivery.cleanup);
  std::shared_ptr<const net::TlsClient> client = entry.tls;
  if (const auto both = entry.at_upstream.find(delivery.upstream); both != entry.at_upstream.end()) {
    client = both->second;
  } else if (!client) {
    const auto upstream = upstreams_.find(delivery.upstream);
    client = upstream == upstreams_.end() ? system() : upstream->second;
  }
  std::string name = entry.server_name;
  if (name.empty()) name = delivery.server_name.empty() ? host : delivery.server_name;
  if (name.ends_with('.')) name.pop_back();  // no certificate has it
  return std::make_shared<net::TlsPeer>(std::move(client), std::move(name));
}

std::string Credentials::kinship(const Delivery& delivery, bool https) const {
  const Entry& entry = of(delivery.cleanup);
  std::string kin;
  if (entry.own_allow || (https && entry.own_tls)) kin += " cleanup=" + delivery.cleanup;
  if (https && !delivery.upstream.empty()) {
    kin += " upstream=" + delivery.upstream + " name=" + delivery.server_name;
  }
  return kin;
}

Result<std::shared_ptr<const Credentials>> load_credentials(
    const config::Config& config, const std::shared_ptr<const Credentials>& before) {
  return Credentials::load(config, before.get());
}

}  // namespace hangup::cleanup
