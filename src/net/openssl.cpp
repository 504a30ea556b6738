#include "net/openssl.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstring>

namespace hangup::net {

std::string openssl_reason() {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  if (error == 0) return "unknown error";
  if (ERR_SYSTEM_ERROR(error)) return std::strerror(ERR_GET_REASON(error));
  const char* text = ERR_reason_error_string(error);
  return text != nullptr ? text : "error " + std::to_string(error);
}

std::unexpected<Error> openssl_refusal(const char* what, const std::filesystem::path& file) {
  const unsigned long error = ERR_peek_error();
  const int reason = ERR_SYSTEM_ERROR(error) ? 0 : ERR_GET_REASON(error);
  std::string why = openssl_reason();
  if (ERR_GET_LIB(error) == ERR_LIB_PEM && reason == PEM_R_NO_START_LINE) {
    why = "it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)";
  } else if (reason == ERR_R_UNSUPPORTED) {
    why = "it holds no private key in PEM (-----BEGIN PRIVATE KEY-----)";
  } else if (reason == ERR_R_INTERRUPTED_OR_CANCELLED) {
    why = "it is encrypted, and nobody is there to be asked for the passphrase: `openssl pkey -in " +
          file.string() + " -out NEW` writes it in the clear";
  } else if (ERR_GET_LIB(error) == ERR_LIB_X509 && reason == X509_R_KEY_VALUES_MISMATCH) {
    why = "it is not the certificate's";
  }
  return std::unexpected(Error{std::string("cannot use ") + what + " " + file.string() + ": " + why});
}

Result<void> use_identity(SSL_CTX* context, const std::filesystem::path& certificate,
                          const std::filesystem::path& key) {
  ERR_clear_error();
  // Nobody is there to be asked for a passphrase.
  SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return -1; });
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1) {
    return openssl_refusal("the certificate", certificate);
  }
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return openssl_refusal("the key", key);
  }
  if (SSL_CTX_check_private_key(context) != 1) return openssl_refusal("the key", key);
  ERR_clear_error();
  return {};
}

}  // namespace hangup::net
