// Who is let in: auth, and what routes say about it.
#include "config/sections.h"

#include <array>
#include <utility>

namespace hangup::config {
void read_auth(Section& root, Config& config) {
  Reader& reader = root.reader();
  root.section("auth", [&](Section& section) {
    Auth auth;
    auth.allow_insecure_permissions = reader.secret_policy() == SecretPolicy::any;
    section.boolean("forward_authorization", auth.forward_authorization);
    const Node* node =
        section.required("bearer_tokens_file", "the path of a file with a token's SHA-256 and name a line");
    const auto path = node == nullptr ? std::nullopt : reader.text(*node, "bearer_tokens_file", "a path");
    // Without it nobody is let in, should anything ever use what has problems.
    if (path && path->value.empty()) {
      reader.unexpected(*node, "bearer_tokens_file", "the path of a file");
    } else if (path) {
      auth.bearer_tokens_file = path->value;
      auto tokens = read_tokens(auth);
      if (tokens) {
        auth.tokens = *std::move(tokens);
        if (auth.tokens.empty())
          reader.warning(node->position,
                         "`bearer_tokens_file`: " + path->value +
                             " has no token, so only routes with `auth: none` let anybody in; "
                             "`hangup token new` makes one");
      } else {
        for (const Error& fault : tokens.error())
          reader.problem(node->position, "`bearer_tokens_file`: " + fault.message);
      }
    }
    config.auth = std::move(auth);
  });
}

void read_access(Section& route_section, Route& route) {
  constexpr std::array<std::pair<std::string_view, Route::Access::Auth>, 1> choices = {
      {{"none", Route::Access::Auth::none}}};
  route_section.choice("auth", route.access.auth, choices);
  route_section.networks("allow", route.access.allow);
  constexpr std::array<std::pair<std::string_view, bool>, 2> ambiguous = {
      {{"reject", false}, {"allow", true}}};
  route_section.choice("ambiguous_paths", route.access.ambiguous_paths, ambiguous);
}

}  // namespace hangup::config
