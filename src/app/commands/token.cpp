// hangup token new: a bearer token, and the line of it for auth.bearer_tokens_file.
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <string>

#include <hangup/app/commands.h>
#include <hangup/config/tokens.h>

namespace hangup::app::commands {
namespace {

// In the alphabet of URLs (RFC 4648 section 5), without padding.
std::string base64url(const std::array<unsigned char, 32>& bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  while (text.ends_with('=')) text.pop_back();
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

}  // namespace

int new_token(const std::string& name, std::ostream& out, std::ostream& err) {
  if (!config::is_token_name(name)) {
    err << "hangup: --name: expected one word of up to 64 letters, digits and . _ ~ @ + -\n";
    return exit_usage;
  }
  std::array<unsigned char, 32> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) {
    err << "hangup: OpenSSL has no random bytes to give\n";
    return exit_failed;
  }
  std::string token = base64url(random);
  out << fmt::format("{:02x} {}\n", fmt::join(config::hash_token(token), ""), name);
  out.flush();
  err << "The token of " << name << ", which is kept nowhere: " << token << '\n';
  OPENSSL_cleanse(random.data(), random.size());
  OPENSSL_cleanse(token.data(), token.size());
  return out ? exit_ok : exit_failed;
}

}  // namespace hangup::app::commands
