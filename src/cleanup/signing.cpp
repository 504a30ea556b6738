#include "cleanup/signing.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdlib>

namespace hangup::cleanup {

std::string sign(std::span<const std::string> keys, std::string_view id, std::string_view timestamp,
                 std::string_view body) {
  std::string content;
  content.reserve(id.size() + timestamp.size() + body.size() + 2);
  content.append(id).append(".").append(timestamp).append(".").append(body);
  std::string signatures;
  for (const std::string& key : keys) {
    unsigned char code[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(content.data()), content.size(), code,
             &size) == nullptr) {
      std::abort();  // out of memory, or an OpenSSL without SHA-256
    }
    unsigned char text[EVP_MAX_MD_SIZE * 2];
    const int length = EVP_EncodeBlock(text, code, static_cast<int>(size));
    if (!signatures.empty()) signatures += ' ';
    signatures.append("v1,").append(reinterpret_cast<const char*>(text), static_cast<std::size_t>(length));
  }
  return signatures;
}

}  // namespace hangup::cleanup
