#include "config/way_in.h"

#include "config/client_tls.h"
#include "config/sections.h"

#include <algorithm>
#include <array>

#include <hangup/http/fields.h>

namespace hangup::config {
namespace {

constexpr std::string_view certificates_expected = "a list of {cert: FILE, key: FILE}";
constexpr std::array<std::pair<std::string_view, bool>, 2> proxy_protocols = {
    {{"off", false}, {"accept", true}}};
constexpr std::array<std::pair<std::string_view, bool>, 2> min_versions = {{{"1.2", false}, {"1.3", true}}};
constexpr std::array<std::pair<std::string_view, bool>, 2> client_certificates = {
    {{"required", true}, {"optional", false}}};
// What hangup writes in every request, beside what the connection needs.
constexpr std::array<std::string_view, 6> own_headers = {
    "Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Request-Id"};

void read_certificate(Reader& reader, const Node& node, ServerTls& tls) {
  Section section(reader, node, "certificates");
  ServerTls::Certificate files;
  section.required("cert", "a PEM file with the certificate and its chain");
  read_file_name(section, "cert", files.certificate);
  section.required("key", "a PEM file with the certificate's key, not encrypted");
  read_file_name(section, "key", files.key, true);
  section.finish();
  if (section.is_mapping()) tls.certificates.push_back(std::move(files));
}

void read_subject_header(Section& section, std::string& out) {
  section.text("client_subject_header", out);
  if (out.empty()) return;
  const Node& node = *section.node().find("client_subject_header")->value;
  if (!check_header_name(section.reader(), node, HeaderOf::request)) return;
  if (std::ranges::any_of(own_headers, [&](auto name) { return http::same_variable(name, out); })) {
    section.reader().problem(
        node.position,
        shown(out) + " is written by hangup already; expected a name such as X-Client-Subject");
  }
}

void read_server_tls(Section& section, ServerTls& tls) {
  Reader& reader = section.reader();
  tls.allow_insecure_permissions = reader.secret_policy() == SecretPolicy::any;
  if (const Node* certificates = section.required_list("certificates", certificates_expected)) {
    for (const auto& item : certificates->items) read_certificate(reader, *item, tls);
  }
  section.choice("min_version", tls.only_tls13, min_versions);
  read_file_name(section, "client_ca", tls.client_ca);
  section.choice("client_certificates", tls.client_certificates_required, client_certificates);
  read_subject_header(section, tls.client_subject_header);
  if (section.has("client_ca")) return;
  for (const std::string_view key : {"client_certificates", "client_subject_header"}) {
    if (section.has(key)) {
      reader.problem(section.node().find(key)->key->position,
                     shown(key) + " needs `client_ca`: without it clients are not asked who they are");
    }
  }
}

}  // namespace

void read_way_in(Section& section, Listener& listener) {
  section.networks("trusted_proxies", listener.trusted_proxies);
  section.choice("proxy_protocol", listener.proxy_protocol, proxy_protocols);
  if (listener.proxy_protocol && !section.has("trusted_proxies")) {
    section.reader().problem(
        section.node().find("proxy_protocol")->key->position,
        "`proxy_protocol: accept` needs `trusted_proxies`, the networks of the proxies in front: "
        "anybody else could claim to be any client");
  }
  section.boolean("trust_request_id", listener.trust_request_id);
  if (listener.trust_request_id && !section.has("trusted_proxies")) {
    section.reader().problem(
        section.node().find("trust_request_id")->key->position,
        "`trust_request_id` needs `trusted_proxies`: the X-Request-Id of anybody else is never believed");
  }
  constexpr auto traces =
      std::to_array<std::pair<std::string_view, Listener::Trace>>({{"continue", Listener::Trace::continued},
                                                                   {"start", Listener::Trace::start},
                                                                   {"off", Listener::Trace::off}});
  section.choice("trace", listener.trace, traces);
  section.section("tls", [&](Section& tls) { read_server_tls(tls, listener.tls.emplace()); });
}

}  // namespace hangup::config
