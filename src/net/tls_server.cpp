#include "net/openssl.h"
#include "net/ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <string_view>
#include <utility>

#include <hangup/base/utc.h>
#include <hangup/net/tls_server.h>

namespace hangup::net {
namespace {

constexpr auto warn_before = std::chrono::days(14);
constexpr std::array<unsigned, 2> exact_then_wildcard = {X509_CHECK_FLAG_NO_WILDCARDS,
                                                         X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS};

using X509Ptr = std::unique_ptr<X509, decltype(&X509_free)>;
using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using ContextPtr = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
}  // namespace

struct ChainDeleter {
  void operator()(STACK_OF(X509) * chain) const { sk_X509_pop_free(chain, X509_free); }
};
using ChainPtr = std::unique_ptr<STACK_OF(X509), ChainDeleter>;

// A certificate with what belongs to it.
struct TlsIdentity {
  std::filesystem::path file;
  X509Ptr certificate;
  KeyPtr key;
  ChainPtr chain;
  std::vector<std::string> names;  // those that it is for, sorted

  bool is_for(const std::string& name, unsigned flags) const {
    return X509_check_host(certificate.get(), name.data(), name.size(), flags, nullptr) == 1;
  }
};

namespace {

std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> names;
  auto* all =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(all); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all, i);
    if (name->type != GEN_DNS) continue;
    names.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                       static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
  }
  GENERAL_NAMES_free(all);
  std::ranges::sort(names);
  return names;
}

Result<TlsIdentity> load_identity(const TlsServer::Certificate& files) {
  const ContextPtr context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return std::unexpected(Error{"cannot start TLS: " + openssl_reason()});
  if (auto used = use_identity(context.get(), files.certificate, files.key); !used) {
    return std::unexpected(std::move(used.error()));
  }
  X509* certificate = SSL_CTX_get0_certificate(context.get());
  EVP_PKEY* key = SSL_CTX_get0_privatekey(context.get());
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(context.get(), &chain);
  X509_up_ref(certificate);
  EVP_PKEY_up_ref(key);
  return TlsIdentity{.file = files.certificate,
                     .certificate = {certificate, X509_free},
                     .key = {key, EVP_PKEY_free},
                     .chain = ChainPtr(chain != nullptr ? X509_chain_up_ref(chain) : nullptr),
                     .names = names_of(certificate)};
}

WallTime to_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return WallTime::max();
  return WallTime(std::chrono::seconds(::timegm(&parts)));
}

// As OpenSSL wants names for ALPN: each with its length before it.
std::string wire_names(const std::vector<std::string>& protocols) {
  std::string out;
  for (const std::string& name : protocols) out.append(1, static_cast<char>(name.size())).append(name);
  return out;
}

}  // namespace

class TlsServer::Impl {
 public:
  static Result<std::unique_ptr<Impl>> make(const Options& options);

  SSL_CTX* context() const { return context_.get(); }
  std::vector<std::string> warnings(WallTime now) const;

 private:
  Impl() : context_(SSL_CTX_new(TLS_server_method()), SSL_CTX_free), tickets_(clock_) {}
  Result<void> load(const Options& options);
  Result<void> ask_clients(const Options& options);
  void set_up(bool only_tls13);
  std::vector<const TlsIdentity*> choose(const char* name) const;

  // OpenSSL's callbacks.
  static const Impl& of(SSL* ssl);
  static int on_certificate(SSL* ssl, void* self);
  static int on_protocols(SSL* ssl, const unsigned char** chosen, unsigned char* size,
                          const unsigned char* offered, unsigned offered_size, void* self);
  static int on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                       EVP_MAC_CTX* mac, int sealing);

  ContextPtr context_;
  std::vector<TlsIdentity> identities_;
  std::string protocols_;
  SystemClock clock_;
  mutable TicketKeys tickets_;
};

Result<std::unique_ptr<TlsServer::Impl>> TlsServer::Impl::make(const Options& options) {
  std::unique_ptr<Impl> made(new Impl);
  if (!made->context_) return std::unexpected(Error{"cannot start TLS: " + openssl_reason()});
  made->set_up(options.only_tls13);
  if (auto loaded = made->load(options); !loaded) return std::unexpected(std::move(loaded.error()));
  return made;
}

void TlsServer::Impl::set_up(bool only_tls13) {
  SSL_CTX* context = context_.get();
  SSL_CTX_set_min_proto_version(context, only_tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  // A connection that ends without close_notify is an end as any other: HTTP's own framing shows what is
  // whole.
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_read_ahead(context, 1);
  if (SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20:!PSK:!aNULL") != 1 ||
      SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384:P-521") != 1) {
    std::abort();  // an OpenSSL without these is none
  }
  // Tickets only: what the server would keep of each session is memory that clients decide on.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_timeout(context, std::chrono::seconds(TicketKeys::session_time).count());
  SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>("hangup"), 6);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, &Impl::on_ticket);
  SSL_CTX_set_cert_cb(context, &Impl::on_certificate, this);
  // Says to the client that its SNI was taken notice of.
  SSL_CTX_set_tlsext_servername_callback(
      context, +[](SSL*, int*, void*) -> int { return SSL_TLSEXT_ERR_OK; });
}

Result<void> TlsServer::Impl::load(const Options& options) {
  for (const Certificate& files : options.certificates) {
    auto identity = load_identity(files);
    if (!identity) return std::unexpected(std::move(identity.error()));
    identities_.push_back(std::move(*identity));
  }
  if (!options.protocols.empty()) {
    protocols_ = wire_names(options.protocols);
    SSL_CTX_set_alpn_select_cb(context_.get(), &Impl::on_protocols, this);
  }
  return options.client_ca.empty() ? Result<void>() : ask_clients(options);
}

Result<void> TlsServer::Impl::ask_clients(const Options& options) {
  ERR_clear_error();
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(options.client_ca.c_str());
  if (names == nullptr) return openssl_refusal("the CA file for clients", options.client_ca);
  SSL_CTX_set_client_CA_list(context_.get(), names);
  if (SSL_CTX_load_verify_file(context_.get(), options.client_ca.c_str()) != 1) {
    return openssl_refusal("the CA file for clients", options.client_ca);
  }
  SSL_CTX_set_verify(
      context_.get(),
      SSL_VERIFY_PEER | (options.client_certificate_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  return {};
}

const TlsServer::Impl& TlsServer::Impl::of(SSL* ssl) {
  return *static_cast<TlsConnection*>(SSL_get_app_data(ssl))->server()->impl_;
}

// Those for `name`; for a name that none is for, or null, those for the names of the first.
std::vector<const TlsIdentity*> TlsServer::Impl::choose(const char* name) const {
  std::vector<const TlsIdentity*> chosen;
  if (name != nullptr) {
    for (const unsigned flags : exact_then_wildcard) {
      for (const TlsIdentity& identity : identities_) {
        if (identity.is_for(name, flags)) chosen.push_back(&identity);
      }
      if (!chosen.empty()) return chosen;
    }
  }
  const TlsIdentity& first = identities_.front();
  for (const TlsIdentity& identity : identities_) {
    const bool same_names = !first.names.empty() && identity.names == first.names;
    if (&identity == &first || same_names) chosen.push_back(&identity);
  }
  return chosen;
}

// OpenSSL holds one certificate of each kind of key, and takes the one that the client can verify.
int TlsServer::Impl::on_certificate(SSL* ssl, void* self) {
  const auto& impl = *static_cast<const Impl*>(self);
  SSL_certs_clear(ssl);
  std::vector<int> kinds;
  for (const TlsIdentity* identity : impl.choose(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name))) {
    const int kind = EVP_PKEY_get_base_id(identity->key.get());
    if (std::ranges::find(kinds, kind) != kinds.end()) continue;
    kinds.push_back(kind);
    if (SSL_use_cert_and_key(ssl, identity->certificate.get(), identity->key.get(), identity->chain.get(),
                             1) != 1) {
      return 0;
    }
  }
  return 1;
}

int TlsServer::Impl::on_protocols(SSL*, const unsigned char** chosen, unsigned char* size,
                                  const unsigned char* offered, unsigned offered_size, void* self) {
  const std::string& ours = static_cast<const Impl*>(self)->protocols_;
  unsigned char* name = nullptr;
  const int found = SSL_select_next_proto(&name, size, reinterpret_cast<const unsigned char*>(ours.data()),
                                          static_cast<unsigned>(ours.size()), offered, offered_size);
  *chosen = name;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int TlsServer::Impl::on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                               EVP_MAC_CTX* mac, int sealing) {
  TicketKeys& tickets = of(ssl).tickets_;
  std::optional<TicketKeys::Found> found;
  if (sealing != 0) {
    found = {tickets.newest(), true};
    if (RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1) return -1;
    std::ranges::copy(found->key.name, name);
  } else {
    found = tickets.find(name);
    if (!found) return 0;  // an ordinary handshake, then
  }
  TicketKeys::Key& key = found->key;
  std::string digest = "SHA256";
  const std::array<OSSL_PARAM, 3> parameters = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac.data(), key.mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0), OSSL_PARAM_construct_end()};
  if (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher.data(), iv, sealing) != 1 ||
      EVP_MAC_CTX_set_params(mac, parameters.data()) != 1) {
    return -1;
  }
  return found->newest ? 1 : 2;  // 2: good, but to be replaced
}

std::vector<std::string> TlsServer::Impl::warnings(WallTime now) const {
  std::vector<std::string> out;
  for (const TlsIdentity& identity : identities_) {
    const WallTime from = to_time(X509_get0_notBefore(identity.certificate.get()));
    const WallTime to = to_time(X509_get0_notAfter(identity.certificate.get()));
    const std::string which = "the certificate " + identity.file.string();
    if (to < now) {
      out.push_back(which + " has expired at " + utc_seconds(to) + ": replace it and send SIGHUP");
    } else if (to - now < warn_before) {
      out.push_back(which + " expires at " + utc_seconds(to) + ": replace it and send SIGHUP");
    } else if (from > now) {
      out.push_back(which + " is not valid before " + utc_seconds(from));
    }
  }
  return out;
}

Result<std::shared_ptr<const TlsServer>> TlsServer::make(const Options& options) {
  auto impl = Impl::make(options);
  if (!impl) return std::unexpected(std::move(impl.error()));
  return std::shared_ptr<const TlsServer>(new TlsServer(std::move(*impl)));
}

TlsServer::TlsServer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
TlsServer::~TlsServer() = default;

std::unique_ptr<TlsConnection> TlsServer::accept() const {
  SSL* ssl = SSL_new(impl_->context());
  if (ssl == nullptr) std::abort();  // out of memory
  SSL_set_accept_state(ssl);
  return std::make_unique<TlsConnection>(ssl, shared_from_this());
}

std::vector<std::string> TlsServer::warnings(WallTime now) const {
  return impl_->warnings(now);
}

}  // namespace hangup::net
