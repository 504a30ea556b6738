#include "net/openssl.h"

#include <openssl/err.h>

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
  return std::unexpected(
      Error{std::string("cannot use ") + what + " " + file.string() + ": " + openssl_reason()});
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
