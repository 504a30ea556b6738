// Secrets, which stand in the configuration or, by the key's `_file` twin, in a file of their own. No message
// shows any of one.
#pragma once

#include "config/section.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace hangup::config {

// secrets: of the configuration, which says how private files with secrets have to be. Before any of them is
// read.
void read_secret_policy(Section& root);

struct Secret {
  std::string value;
  Position position;   // of it, or of the name of its file
  std::string origin;  // "`signing_secret`", or "`signing_secret_file`: /run/x, line 2"
};

// KEY, one secret or a list of them, or KEY_file, the name of a file with one a line, where blank lines don't
// count. What is found is not empty, and has no blanks around it when it is from a file.
std::vector<Secret> read_secrets(Section& section, std::string_view key, std::string_view file_key);

// A Standard Webhooks secret, `whsec_` and the base64 of 24 to 64 bytes, decoded. The error follows the
// origin of the secret.
Result<std::string> decode_signing_secret(std::string_view text);

// signing_secret or signing_secret_file: the keys, decoded, the newest first.
std::vector<std::string> read_signing_keys(Section& section);

}  // namespace hangup::config
