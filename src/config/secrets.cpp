#include "config/secrets.h"

#include "config/environment.h"
#include "config/file.h"

#include <openssl/evp.h>

#include <algorithm>

namespace hangup::config {
namespace {

constexpr std::size_t most_secret_bytes = std::size_t{64} * 1024;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  return text.substr(0, text.find_last_not_of(blanks) + 1);
}

void read_value(Reader& reader, const Node& node, std::string_view key, std::vector<Secret>& secrets) {
  if (node.kind != Node::Kind::scalar)
    return reader.unexpected(node, key, "a secret, or a list with the newest first");
  const Expansion expansion = expand_environment(node.text, false);
  for (const auto& error : expansion.errors) {
    reader.problem(node.position, error.quotes_text
                                      ? shown(key) + ": `${` that starts no ${NAME}; write $$ for a plain $"
                                      : error.message);
  }
  if (!expansion.errors.empty()) return;
  if (expansion.text.empty()) return reader.problem(node.position, shown(key) + ": the secret is empty");
  secrets.push_back({expansion.text, node.position, shown(key)});
}

void read_lines(Reader& reader, const Node& node, std::string_view key, std::vector<Secret>& secrets) {
  const auto path = reader.text(node, key, "the path of a file with the secret");
  if (!path) return;
  const std::string origin = shown(key) + ": " + path->value;
  const auto text =
      read_secret_file(path->value, reader.secret_policy(), most_secret_bytes, "no file with a secret");
  if (!text) return reader.problem(node.position, origin + ": " + text.error().message);
  const std::size_t before = secrets.size();
  std::string_view rest = *text;
  for (std::size_t line = 1; !rest.empty(); ++line) {
    const std::string_view whole = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), whole.size() + 1));
    const std::string_view secret = trimmed(whole);
    if (secret.empty()) continue;
    secrets.push_back({std::string(secret), node.position, origin + ", line " + std::to_string(line)});
  }
  if (secrets.size() == before) reader.problem(node.position, origin + ": there is no secret in it");
}

// Strict by the way back: OpenSSL itself ignores blanks and takes more than one text for the same bytes.
Result<std::string> decode_base64(std::string_view text) {
  const auto malformed =
      std::unexpected(Error{"what follows whsec_ is not base64 (RFC 4648, with its padding)"});
  constexpr std::size_t most = 1024;
  if (text.empty() || text.size() % 4 != 0 || text.size() > most) return malformed;
  const auto bytes_of = [](std::string& out) { return reinterpret_cast<unsigned char*>(out.data()); };
  const auto* encoded = reinterpret_cast<const unsigned char*>(text.data());
  std::string out(text.size() / 4 * 3, '\0');
  if (EVP_DecodeBlock(bytes_of(out), encoded, static_cast<int>(text.size())) < 0) return malformed;
  out.resize(out.size() - static_cast<std::size_t>(text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0));
  std::string again(text.size() + 1, '\0');
  EVP_EncodeBlock(bytes_of(again), bytes_of(out), static_cast<int>(out.size()));
  again.pop_back();
  if (again != text) return malformed;
  return out;
}

}  // namespace

void read_secret_policy(Section& root) {
  bool any = false;
  root.section("secrets", [&](Section& secrets) { secrets.boolean("allow_insecure_permissions", any); });
  if (any) root.reader().set_secret_policy(SecretPolicy::any);
}

std::vector<Secret> read_secrets(Section& section, std::string_view key, std::string_view file_key) {
  Reader& reader = section.reader();
  std::vector<Secret> secrets;
  if (section.has(key) && section.has(file_key)) {
    reader.problem(section.node().find(file_key)->key->position,
                   shown(key) + " and " + shown(file_key) + " at once: give one of them");
  }
  section.each(key, "a secret, or a list with the newest first",
               [&](const Node& node) { read_value(reader, node, key, secrets); });
  if (const Node* node = section.optional(file_key)) read_lines(reader, *node, file_key, secrets);
  return secrets;
}

Result<std::string> decode_signing_secret(std::string_view text) {
  constexpr std::string_view prefix = "whsec_";
  constexpr std::size_t least = 24, most = 64;
  if (!text.starts_with(prefix)) {
    return std::unexpected(
        Error{"a secret is whsec_ and the base64 of 24 to 64 random bytes, as from: echo whsec_$(openssl "
              "rand -base64 32)"});
  }
  auto key = decode_base64(text.substr(prefix.size()));
  if (key && (key->size() < least || key->size() > most)) {
    return std::unexpected(
        Error{"the secret has " + std::to_string(key->size()) + " bytes, expected 24 to 64"});
  }
  return key;
}

std::vector<std::string> read_signing_keys(Section& section) {
  std::vector<std::string> keys;
  for (const Secret& secret : read_secrets(section, "signing_secret", "signing_secret_file")) {
    auto key = decode_signing_secret(secret.value);
    if (!key) {
      section.reader().problem(secret.position, secret.origin + ": " + key.error().message);
    } else if (std::ranges::find(keys, *key) != keys.end()) {
      section.reader().problem(secret.position, secret.origin + ": the same secret twice");
    } else {
      keys.push_back(std::move(*key));
    }
  }
  return keys;
}

}  // namespace hangup::config
