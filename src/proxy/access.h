// Whether a request is let in: by its client's address, then by the token that it shows.
#pragma once

#include "proxy/origin.h"

#include <cstdint>
#include <string>
#include <string_view>

#include <hangup/config/config.h>
#include <hangup/http/message.h>

namespace hangup::proxy {

// What comes of the look at a request. The views are good for ever.
struct Admission {
  int status = 0;                   // 0: it is let in; else what to answer
  std::string_view message = {};    // for the client
  std::string_view detail = {};     // for the log
  std::string_view challenge = {};  // for WWW-Authenticate; "" for none
  std::string user = {};            // the name of its token; "" without one
};

// The token of a request's Authorization fields (RFC 6750 section 2.1), which no error shows.
struct ShownToken {
  enum class Kind : std::uint8_t {
    none,     // no field, or one of another scheme
    invalid,  // several fields, or a token that can't be one
    token,
  } kind = Kind::none;
  std::string_view token;
};
ShownToken shown_token(const http::Fields& fields);

// The name of the token with this hash, null if none has it. Takes the same time whichever it is, and if it
// is none.
const std::string* find_token(const config::Tokens& tokens, const config::TokenHash& hash);

// Threading: any.
class Access {
 public:
  // `tokens` is null if the configuration has no `auth`, and else outlives it.
  explicit Access(const config::Tokens* tokens) : tokens_(tokens) {}

  Admission admit(const config::Route& route, const http::Fields& request, const Origin& client) const;

 private:
  const config::Tokens* tokens_;
};

}  // namespace hangup::proxy
