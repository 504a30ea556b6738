#include "config/file.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstddef>
#include <optional>

#include <hangup/base/hex.h>
#include <hangup/base/text.h>
#include <hangup/config/tokens.h>

namespace hangup::config {
namespace {

// Each request is compared with every token: beyond this it is felt.
constexpr std::size_t most_token_file_bytes = std::size_t{1} * 1024 * 1024;
constexpr std::size_t longest_token_name = 64;
constexpr std::size_t hash_digits = 2 * std::tuple_size_v<TokenHash>;

constexpr bool is_token_blank(char c) {
  return c == ' ' || c == '\t';
}

constexpr bool is_token_name_char(char c) {
  return is_unreserved(c) || c == '@' || c == '+';
}

struct LineFault {
  std::size_t offset = 0;
  std::string message;
};

// A line without its end.
std::expected<Token, LineFault> parse_token_line(std::string_view line) {
  const auto is_digit = [](char c) { return hex_digit_value(c) >= 0; };
  const auto digits = static_cast<std::size_t>(std::ranges::find_if_not(line, is_digit) - line.begin());
  const bool is_ended = digits == line.size() || is_token_blank(line[digits]);
  if (digits != hash_digits || !is_ended) {
    return std::unexpected(
        LineFault{std::min(digits, hash_digits),
                  "expected the SHA-256 of a token, 64 hexadecimal digits, then a blank and a name; "
                  "`hangup token new` makes such a line"});
  }
  Token token;
  for (std::size_t i = 0; i < token.hash.size(); ++i) {
    token.hash[i] =
        static_cast<unsigned char>(hex_digit_value(line[2 * i]) * 16 + hex_digit_value(line[2 * i + 1]));
  }
  while (!line.empty() && is_token_blank(line.back())) line.remove_suffix(1);
  const std::size_t start = static_cast<std::size_t>(
      std::find_if_not(line.begin() + hash_digits, line.end(), is_token_blank) - line.begin());
  token.name = line.substr(start);
  if (token.name.empty())
    return std::unexpected(LineFault{start, "the token's name is missing behind its hash"});
  if (is_token_name(token.name)) return token;
  const auto bad = std::ranges::find_if_not(token.name, is_token_name_char);
  return std::unexpected(LineFault{start + static_cast<std::size_t>(bad - token.name.begin()),
                                   "a token's name is one word of up to 64 letters, digits and . _ ~ @ + -"});
}

}  // namespace

TokenHash hash_token(std::string_view token) {
  TokenHash hash;
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), hash.data());
  return hash;
}

bool is_token_name(std::string_view name) {
  return !name.empty() && name.size() <= longest_token_name && std::ranges::all_of(name, is_token_name_char);
}

std::expected<Tokens, std::vector<Error>> parse_tokens(std::string_view text,
                                                       const std::filesystem::path& file) {
  Tokens tokens;
  std::vector<std::size_t> lines;  // of the tokens
  std::vector<Error> faults;
  for (std::size_t number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with('#') || std::ranges::all_of(line, is_token_blank)) continue;
    const auto fault = [&](std::size_t offset, std::string_view message) {
      faults.push_back({file.string() + ":" + std::to_string(number) + ":" + std::to_string(offset + 1) +
                        ": " + std::string(message)});
    };
    auto token = parse_token_line(line);
    if (!token) {
      fault(token.error().offset, token.error().message);
      continue;
    }
    const auto same = std::ranges::find(tokens, token->hash, &Token::hash);
    if (same != tokens.end()) {
      const std::size_t first = lines[static_cast<std::size_t>(same - tokens.begin())];
      fault(0, "the token of line " + std::to_string(first) + " again");
      continue;
    }
    tokens.push_back(*std::move(token));
    lines.push_back(number);
  }
  if (!faults.empty()) return std::unexpected(std::move(faults));
  return tokens;
}

std::expected<Tokens, std::vector<Error>> read_tokens(const Auth& auth) {
  const auto policy = auth.allow_insecure_permissions ? SecretPolicy::any : SecretPolicy::private_only;
  auto text = read_secret_file(auth.bearer_tokens_file, policy, most_token_file_bytes, "no file of tokens");
  if (!text)
    return std::unexpected(
        std::vector{Error{auth.bearer_tokens_file.string() + ": " + text.error().message}});
  auto tokens = parse_tokens(*text, auth.bearer_tokens_file);
  OPENSSL_cleanse(text->data(), text->size());  // somebody may have written tokens into it as they are
  return tokens;
}

}  // namespace hangup::config
