// Bearer tokens that let clients in: a file of lines, each the SHA-256 of one in hexadecimal and a name for
// it. Who reads the file learns no token, and nothing else of a token is ever kept.
#pragma once

#include <array>
#include <expected>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <hangup/base/error.h>

namespace hangup::config {

using TokenHash = std::array<unsigned char, 32>;  // SHA-256

// What a client sends as `Authorization: Bearer TOKEN`.
TokenHash hash_token(std::string_view token);

struct Token {
  TokenHash hash{};
  std::string name;  // for logs and templates; several may share one
};
using Tokens = std::vector<Token>;

// Whether a token can be called so: 1 to 64 of A-Z a-z 0-9 . _ ~ @ + -
bool is_token_name(std::string_view name);

// Every fault of the text, "FILE:LINE:COLUMN: ..."; none of them quotes it: it may be a token.
std::expected<Tokens, std::vector<Error>> parse_tokens(std::string_view text,
                                                       const std::filesystem::path& file);

// The `auth:` section.
struct Auth {
  std::filesystem::path bearer_tokens_file;
  bool allow_insecure_permissions = false;  // secrets.allow_insecure_permissions
  bool forward_authorization = false;       // whether servers see the header that let the client in
  Tokens tokens;                            // what was in the file when the configuration was read
};

// The file as it is now. The faults name the file.
std::expected<Tokens, std::vector<Error>> read_tokens(const Auth& auth);

}  // namespace hangup::config
