// Certificates made for a test, by OpenSSL's own functions.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

namespace hangup::test {

// A key, and a certificate for it.
struct Identity {
  std::shared_ptr<EVP_PKEY> key;
  std::shared_ptr<X509> certificate;
};

// `names` as OpenSSL takes them, "DNS:a.example,IP:127.0.0.1", or "" for a CA. Signed by `issuer`, null for
// itself. Valid from `from` to `to`, in seconds from now. `key` is taken over; null makes one, of P-256.
inline Identity make_identity(const std::string& names, const Identity* issuer, long from = -3600,
                              long to = 3600, EVP_PKEY* key = nullptr) {
  Identity made{.key = {key != nullptr ? key : EVP_EC_gen("P-256"), EVP_PKEY_free},
                .certificate = {X509_new(), X509_free}};
  static long serial = 0;
  X509* certificate = made.certificate.get();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), from);
  X509_gmtime_adj(X509_getm_notAfter(certificate), to);
  X509_set_pubkey(certificate, made.key.get());
  const std::string common = "test " + std::to_string(serial);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common.c_str()), -1, -1, 0);
  X509* by = issuer != nullptr ? issuer->certificate.get() : certificate;
  X509_set_issuer_name(certificate, X509_get_subject_name(by));
  X509V3_CTX context;
  X509V3_set_ctx(&context, by, certificate, nullptr, nullptr, 0);
  const auto extend = [&](int id, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
    if (extension == nullptr) std::abort();
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  };
  extend(NID_basic_constraints, names.empty() ? "critical,CA:TRUE" : "CA:FALSE");
  if (!names.empty()) extend(NID_subject_alt_name, names);
  X509_sign(certificate, issuer != nullptr ? issuer->key.get() : made.key.get(), EVP_sha256());
  return made;
}

// Each identity has one of its own.
inline std::string common_name(const X509& certificate) {
  char name[64] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(&certificate), NID_commonName, name, sizeof name);
  return name;
}
inline std::string common_name(const Identity& identity) {
  return common_name(*identity.certificate);
}

// A directory for PEM files, gone with this.
class PemFiles {
 public:
  PemFiles() {
    std::string name = (std::filesystem::temp_directory_path() / "hangup-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    directory_ = name;
  }
  ~PemFiles() { std::filesystem::remove_all(directory_); }
  PemFiles(const PemFiles&) = delete;

  std::filesystem::path path(const std::string& name) const { return directory_ / name; }
  std::filesystem::path certificate(const Identity& identity, const std::string& name) const {
    return write(name, [&](FILE* file) { PEM_write_X509(file, identity.certificate.get()); });
  }
  // Encrypted with `passphrase`, unless that is empty.
  std::filesystem::path key(const Identity& identity, const std::string& name,
                            const std::string& passphrase = "") const {
    return write(name, [&](FILE* file) {
      PEM_write_PrivateKey(file, identity.key.get(), passphrase.empty() ? nullptr : EVP_aes_128_cbc(),
                           reinterpret_cast<const unsigned char*>(passphrase.data()),
                           static_cast<int>(passphrase.size()), nullptr, nullptr);
    });
  }

 private:
  template <typename Write>
  std::filesystem::path write(const std::string& name, Write&& content) const {
    FILE* file = std::fopen(path(name).c_str(), "w");
    if (file == nullptr) std::abort();
    content(file);
    std::fclose(file);
    std::filesystem::permissions(path(name), std::filesystem::perms(0600));
    return path(name);
  }
  std::filesystem::path directory_;
};

// A server's context with this identity; of clients it asks for a certificate of `client_ca`, if there is
// one.
inline std::shared_ptr<SSL_CTX> make_server_context(const Identity& identity,
                                                    const Identity* client_ca = nullptr) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  SSL_CTX_use_certificate(context.get(), identity.certificate.get());
  SSL_CTX_use_PrivateKey(context.get(), identity.key.get());
  if (client_ca != nullptr) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), client_ca->certificate.get());
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return context;
}

}  // namespace hangup::test
