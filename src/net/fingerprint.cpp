#include "net/fingerprint.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <ranges>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace hangup::net {
namespace {

class Sha256 {
 public:
  Sha256() {
    if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) std::abort();
  }
  void add(std::string_view bytes) {
    if (EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1) std::abort();
  }
  // An object as DER, with what kind of object it is.
  template <typename Object>
  void add(std::string_view kind, int (*encode)(const Object*, unsigned char**), const Object* object) {
    unsigned char* der = nullptr;
    const int size = encode(object, &der);
    if (size < 0) std::abort();  // out of memory
    add(kind);
    add({reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)});
    OPENSSL_free(der);
  }
  Fingerprint finish() {
    Fingerprint digest{};
    if (EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) != 1) std::abort();
    return digest;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

// "4a6481c9.0", or "4a6481c9.r0" for a revocation list: OpenSSL opens no others.
bool is_hashed(std::string_view name) {
  constexpr std::size_t hash = 8;
  constexpr std::string_view digits = "0123456789";
  if (name.size() < hash + 2 || name[hash] != '.') return false;
  std::string_view number = name.substr(hash + 1);
  if (number.starts_with('r')) number.remove_prefix(1);
  return name.substr(0, hash).find_first_not_of("0123456789abcdef") == std::string_view::npos &&
         !number.empty() && number.find_first_not_of(digits) == std::string_view::npos;
}

void add_directory(Sha256& digest, const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (auto each = std::filesystem::directory_iterator(directory, error);
       !error && each != std::filesystem::directory_iterator(); each.increment(error)) {
    if (is_hashed(each->path().filename().native())) files.push_back(each->path());
  }
  std::ranges::sort(files);
  for (const auto& file : files) {
    if (!std::filesystem::is_regular_file(file, error)) continue;  // a pipe would not end
    std::ifstream stream(file, std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(stream), {}};
    digest.add("file " + file.filename().native() + " " + std::to_string(content.size()) + " ");
    digest.add(content);
  }
}

// As OpenSSL finds them.
void add_system_directories(Sha256& digest) {
  const char* given = ::secure_getenv(X509_get_default_cert_dir_env());
  const std::string_view directories = given != nullptr ? given : X509_get_default_cert_dir();
  for (const auto each : std::views::split(directories, ':'))
    add_directory(digest, std::string_view(each.begin(), each.end()));
}

}  // namespace

Fingerprint fingerprint_of(SSL_CTX* context, bool trusts_system) {
  Sha256 digest;
  const STACK_OF(X509_OBJECT)* trusted = X509_STORE_get0_objects(SSL_CTX_get_cert_store(context));
  for (int i = 0; i < sk_X509_OBJECT_num(trusted); ++i) {
    const X509_OBJECT* object = sk_X509_OBJECT_value(trusted, i);
    if (const X509* certificate = X509_OBJECT_get0_X509(object)) {
      digest.add("trusted ", i2d_X509_AUX, certificate);
    } else if (const X509_CRL* list = X509_OBJECT_get0_X509_CRL(const_cast<X509_OBJECT*>(object))) {
      digest.add("revoked ", i2d_X509_CRL, list);
    }
  }
  if (trusts_system) add_system_directories(digest);
  if (const X509* own = SSL_CTX_get0_certificate(context)) digest.add("own ", i2d_X509, own);
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(context, &chain);
  for (int i = 0; i < sk_X509_num(chain); ++i) digest.add<X509>("chain ", i2d_X509, sk_X509_value(chain, i));
  return digest.finish();
}

}  // namespace hangup::net
