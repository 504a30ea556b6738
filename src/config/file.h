// Files that a configuration is, or names. The errors don't name the file: whoever reports them does.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include <hangup/base/error.h>

namespace hangup::config {

// The whole file; an error if it has more than `most` bytes. `what` says what such a file can't be: "not a
// configuration".
Result<std::string> read_file(const std::filesystem::path& file, std::size_t most, std::string_view what);

// Whether it is a file that this process may read.
Result<void> check_readable(const std::filesystem::path& file);

}  // namespace hangup::config
