#include "cleanup/signing.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <memory>
#include <string>
#include <vector>

namespace hangup::cleanup {
namespace {

std::string decoded(const std::string& base64) {
  std::string bytes(base64.size(), '\0');
  const int size =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                      reinterpret_cast<const unsigned char*>(base64.data()), static_cast<int>(base64.size()));
  bytes.resize(static_cast<std::size_t>(size) - (base64.ends_with("==")  ? 2U
                                                 : base64.ends_with('=') ? 1U
                                                                         : 0U));
  return bytes;
}

// By OpenSSL's EVP_DigestSign, which our code does not use.
std::string signature_by_evp(const std::string& key, const std::string& content) {
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> pkey(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, nullptr, reinterpret_cast<const unsigned char*>(key.data()),
                                   key.size()),
      EVP_PKEY_free);
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::string code(32, '\0');
  std::size_t size = code.size();
  EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, pkey.get());
  EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(code.data()), &size,
                 reinterpret_cast<const unsigned char*>(content.data()), content.size());
  return code;
}

TEST(Signing, MatchesThePublishedExampleOfStandardWebhooks) {
  const std::vector<std::string> keys = {decoded("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")};
  EXPECT_EQ(sign(keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(Signing, IsAnHmacOverIdTimestampAndBodyWhateverTheirBytes) {
  std::string body;
  for (int byte = 0; byte < 256; ++byte) body += static_cast<char>(byte);
  const std::vector<std::string> keys = {std::string(64, '\xff'), std::string("\0with\0NULs", 10)};
  const std::string signatures = sign(keys, "id-1", "1767323045", body);
  const std::size_t blank = signatures.find(' ');
  ASSERT_NE(blank, std::string::npos);
  ASSERT_TRUE(signatures.starts_with("v1,"));
  ASSERT_EQ(signatures.substr(blank + 1, 3), "v1,");
  EXPECT_EQ(decoded(signatures.substr(3, blank - 3)), signature_by_evp(keys[0], "id-1.1767323045." + body));
  EXPECT_EQ(decoded(signatures.substr(blank + 4)), signature_by_evp(keys[1], "id-1.1767323045." + body));
}

TEST(Signing, WithoutAKeyThereIsNone) {
  EXPECT_EQ(sign({}, "id", "1", "body"), "");
}

}  // namespace
}  // namespace hangup::cleanup
