#include "config/file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include <hangup/base/units.h>

namespace hangup::config {
namespace {

using Stream = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

std::unexpected<Error> unreadable() {
  return std::unexpected(Error{std::string("can't be read: ") + std::strerror(errno)});
}

Stream open(const std::filesystem::path& file) {
  return {std::fopen(file.c_str(), "re"), std::fclose};
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& file, std::size_t most, std::string_view what) {
  const Stream stream = open(file);
  if (!stream) return unreadable();
  std::string text;
  char chunk[16 * 1024];
  while (text.size() <= most) {
    const std::size_t count = std::fread(chunk, 1, sizeof chunk, stream.get());
    text.append(chunk, count);
    if (count < sizeof chunk) break;
  }
  if (std::ferror(stream.get()) != 0) return unreadable();
  if (text.size() > most)
    return std::unexpected(Error{"larger than " + format_bytes(Bytes{most}) + ": " + std::string(what)});
  return text;
}

Result<void> check_readable(const std::filesystem::path& file) {
  const Stream stream = open(file);
  // That a directory is none shows only when it is read.
  if (!stream || (std::fgetc(stream.get()) == EOF && std::ferror(stream.get()) != 0)) return unreadable();
  return {};
}

}  // namespace hangup::config
