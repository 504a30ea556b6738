// Files that a configuration is, or names. The errors don't name the file: whoever reports them does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <hangup/base/error.h>

namespace hangup::config {

// The whole file; an error if it has more than `most` bytes. `what` says what such a file can't be: "not a
// configuration".
Result<std::string> read_file(const std::filesystem::path& file, std::size_t most, std::string_view what);

// Whether it is a file that this process may read.
Result<void> check_readable(const std::filesystem::path& file);

// Who may see a file with a secret in it.
enum class SecretPolicy : std::uint8_t {
  private_only,  // a file that its group or others may read or write is an error
  any,           // secrets.allow_insecure_permissions
};

// The same for files with secrets. What systemd puts into $CREDENTIALS_DIRECTORY is private whatever its mode
// looks like.
Result<std::string> read_secret_file(const std::filesystem::path& file, SecretPolicy policy, std::size_t most,
                                     std::string_view what);
Result<void> check_secret_file(const std::filesystem::path& file, SecretPolicy policy);

}  // namespace hangup::config
