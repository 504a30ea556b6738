// Where a request came from, when proxies that the listener trusts stand between the client and us: what they
// say of the client is believed, and nothing that anybody else says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <hangup/downstream/client_stream.h>
#include <hangup/http/fields.h>

namespace hangup::proxy {

struct Origin {
  std::string ip;          // of the client: "192.0.2.7", "2001:db8::7"; "unix" for a UNIX socket's peer
  std::uint16_t port = 0;  // 0 where it is not known
  // A proxy spoke for a client that it did not name: ip is that of the last one that is known, not a
  // client's.
  bool unknown = false;
  // The addresses from the client to the peer, as X-Forwarded-For has them. None of it is hearsay.
  std::string chain;
  bool secure = false;     // the client's own connection is over TLS
  std::string host;        // that the client asked for; "" for what the request says
  std::string request_id;  // that a trusted proxy gave it, where the listener takes that; "" for none
};

// Of a peer that is not trusted it is the peer itself, as it is of one that says nothing. Else the chain of
// X-Forwarded-For, or of Forwarded (RFC 7239), is walked from the peer towards the client for as long as the
// addresses are of trusted proxies: the first that is not, is the client. What is no address ends the walk at
// the last good one, and the client is unknown. Where there are both fields and they name different clients,
// one of them may be the client's own: neither is believed. Of peer and fields of one request.
Origin find_origin(const downstream::ClientInfo& peer, const http::Fields& request);

}  // namespace hangup::proxy
