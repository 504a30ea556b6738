#include "config/client_tls.h"

#include "config/authority.h"
#include "config/file.h"

namespace hangup::config {
namespace {

void read_server_name(Section& section, std::string& out) {
  section.text("server_name", out);
  const auto authority = parse_authority(out);
  if (out.empty()) return;
  const bool is_host = authority && authority->host == out;
  if (out.ends_with('.')) out.pop_back();  // no certificate has it
  if (is_host && !out.empty()) return;
  section.reader().unexpected(*section.node().find("server_name")->value, "server_name",
                              "a host without a port, such as hooks.example.com");
}

}  // namespace

void read_file_name(Section& section, std::string_view key, std::filesystem::path& out, bool is_secret) {
  std::string name;
  section.text(key, name);
  if (name.empty()) return;
  const auto readable =
      is_secret ? check_secret_file(name, section.reader().secret_policy()) : check_readable(name);
  if (!readable) {
    section.reader().problem(section.node().find(key)->value->position,
                             shown(key) + ": " + name + ": " + readable.error().message);
  }
  out = std::move(name);
}

Result<void> check_private_key(const std::filesystem::path& key, bool allow_insecure_permissions) {
  if (key.empty()) return {};
  auto checked =
      check_secret_file(key, allow_insecure_permissions ? SecretPolicy::any : SecretPolicy::private_only);
  if (!checked) return std::unexpected(Error{"the key " + key.string() + ": " + checked.error().message});
  return {};
}

void read_client_tls(Section& section, ClientTls& tls) {
  tls.allow_insecure_permissions = section.reader().secret_policy() == SecretPolicy::any;
  read_file_name(section, "ca", tls.ca);
  read_file_name(section, "cert", tls.certificate);
  read_file_name(section, "key", tls.key, true);
  read_server_name(section, tls.server_name);
  if (section.has("cert") == section.has("key")) return;
  const bool has_cert = section.has("cert");
  section.reader().problem(section.node().find(has_cert ? "cert" : "key")->key->position,
                           has_cert ? "`cert` without its `key`: a client certificate needs both"
                                    : "`key` without its `cert`: a client certificate needs both");
}

}  // namespace hangup::config
