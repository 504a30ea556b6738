// What an SSL_CTX holds, for telling whether another holds the same. Private to the module.
#pragma once

#include <openssl/ssl.h>

#include <array>

namespace hangup::net {

using Fingerprint = std::array<unsigned char, 32>;

// A SHA-256 of the certificates and revocation lists that it trusts, and of its own certificate and chain,
// which are what OpenSSL has read: a file that is replaced meanwhile does not come in between. The key is
// that of the certificate. Of `trusts_system`, what OpenSSL is still to read in directories goes in too, as
// it is now. REQUIRES: no connection was made by it yet.
Fingerprint fingerprint_of(SSL_CTX* context, bool trusts_system);

}  // namespace hangup::net
