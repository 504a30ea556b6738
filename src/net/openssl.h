// What this module's users of OpenSSL share. Private to the module.
#pragma once

#include <openssl/ssl.h>

#include <filesystem>
#include <string>

#include <hangup/base/error.h>

namespace hangup::net {

// Why the last call of OpenSSL failed: the first error of its queue, which is emptied.
std::string openssl_reason();

// "cannot use WHAT FILE: reason".
std::unexpected<Error> openssl_refusal(const char* what, const std::filesystem::path& file);

// Reads a certificate, with its chain behind it, and its key from PEM files into `context`. The error names
// the file and what is wrong with it.
Result<void> use_identity(SSL_CTX* context, const std::filesystem::path& certificate,
                          const std::filesystem::path& key);

}  // namespace hangup::net
