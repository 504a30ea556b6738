#include "proxy/access.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstddef>

#include <hangup/base/text.h>

namespace hangup::proxy {
namespace {

constexpr std::string_view ask_for_token = R"(Bearer realm="hangup")";
constexpr std::string_view refuse_token = R"(Bearer realm="hangup", error="invalid_token")";

// b64token of RFC 6750 section 2.1, without the padding.
constexpr bool is_bearer_char(char c) {
  return is_unreserved(c) || c == '+' || c == '/';
}

bool is_b64token(std::string_view token) {
  const auto padding = std::ranges::find_if_not(token, is_bearer_char);
  return padding != token.begin() && std::all_of(padding, token.end(), [](char c) { return c == '='; });
}

}  // namespace

ShownToken shown_token(const http::Fields& fields) {
  using Kind = ShownToken::Kind;
  const std::size_t count = fields.count("authorization");
  if (count == 0) return {};
  if (count > 1) return {Kind::invalid, {}};
  const std::string_view value = *fields.find("authorization");
  constexpr std::string_view scheme = "Bearer";
  const std::size_t end = std::min(value.find_first_of(" \t"), value.size());
  if (!equals_ignoring_case(value.substr(0, end), scheme)) return {};
  std::string_view token = value.substr(end);
  token.remove_prefix(std::min(token.find_first_not_of(' '), token.size()));
  if (!is_b64token(token)) return {Kind::invalid, {}};
  return {Kind::token, token};
}

const std::string* find_token(const config::Tokens& tokens, const config::TokenHash& hash) {
  std::size_t found = tokens.size();
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool same = CRYPTO_memcmp(tokens[i].hash.data(), hash.data(), hash.size()) == 0;
    // No branch: all bits set where it is the same.
    const std::size_t mask = std::size_t{0} - static_cast<std::size_t>(same);
    found = (found & ~mask) | (i & mask);
  }
  return found == tokens.size() ? nullptr : &tokens[found].name;
}

Admission Access::admit(const config::Route& route, const http::Fields& request, const Origin& client) const {
  const Networks& allow = route.access.allow;
  if (!allow.empty() && (client.unknown || !allow.contains(client.ip))) {
    return {.status = 403,
            .message = "this client is not allowed here",
            .detail = client.unknown
                          ? "the proxy in front does not say which client it is, and only some are allowed"
                          : "the client's address is not allowed"};
  }
  if (tokens_ == nullptr) return {};
  const ShownToken shown = shown_token(request);
  const std::string* name = nullptr;
  if (shown.kind == ShownToken::Kind::token) name = find_token(*tokens_, config::hash_token(shown.token));
  // Shown where none is needed, it is still one of ours.
  if (name != nullptr) return {.user = *name};
  if (route.access.auth == config::Route::Access::Auth::none) return {};
  if (shown.kind == ShownToken::Kind::none) {
    return {.status = 401,
            .message = "this needs a token",
            .detail = "no bearer token",
            .challenge = ask_for_token};
  }
  return {.status = 401,
          .message = "this token is not valid",
          .detail = shown.kind == ShownToken::Kind::token ? "unknown bearer token"
                                                          : "malformed Authorization, or several",
          .challenge = refuse_token};
}

}  // namespace hangup::proxy
