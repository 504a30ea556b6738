#include "config/file.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
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

Result<std::string> read(std::FILE* stream, std::size_t most, std::string_view what) {
  std::string text;
  char chunk[16 * 1024];
  while (text.size() <= most) {
    const std::size_t count = std::fread(chunk, 1, sizeof chunk, stream);
    text.append(chunk, count);
    if (count < sizeof chunk) break;
  }
  if (std::ferror(stream) != 0) return unreadable();
  if (text.size() > most)
    return std::unexpected(Error{"larger than " + format_bytes(Bytes{most}) + ": " + std::string(what)});
  return text;
}

// That a directory is none shows only when it is read.
Result<void> check_readable(std::FILE* stream) {
  if (std::fgetc(stream) == EOF && std::ferror(stream) != 0) return unreadable();
  return {};
}

bool is_credential(const std::filesystem::path& file) {
  const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
  if (directory == nullptr || *directory == '\0') return false;
  return file.lexically_normal().parent_path() == std::filesystem::path(directory).lexically_normal();
}

// Of the open file, so that it can't be another one by the time that it is read.
Result<void> check_private(std::FILE* stream, const std::filesystem::path& file, SecretPolicy policy) {
  if (policy == SecretPolicy::any || is_credential(file)) return {};
  struct stat status{};
  if (::fstat(::fileno(stream), &status) != 0) return unreadable();
  const bool group = (status.st_mode & (S_IRGRP | S_IWGRP)) != 0;
  const bool others = (status.st_mode & (S_IROTH | S_IWOTH)) != 0;
  if (!group && !others) return {};
  const std::string_view who = group && others ? "its group and others" : group ? "its group" : "others";
  char mode[8];
  std::snprintf(mode, sizeof mode, "%04o", static_cast<unsigned>(status.st_mode & 07777U));
  return std::unexpected(Error{"is open to " + std::string(who) + " (mode " + mode +
                               "), and a secret is its owner's alone: run `chmod 600 " + file.string() +
                               "`, or set `secrets: {allow_insecure_permissions: true}`"});
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& file, std::size_t most, std::string_view what) {
  const Stream stream = open(file);
  if (!stream) return unreadable();
  return read(stream.get(), most, what);
}

Result<void> check_readable(const std::filesystem::path& file) {
  const Stream stream = open(file);
  if (!stream) return unreadable();
  return check_readable(stream.get());
}

Result<std::string> read_secret_file(const std::filesystem::path& file, SecretPolicy policy, std::size_t most,
                                     std::string_view what) {
  const Stream stream = open(file);
  if (!stream) return unreadable();
  if (auto checked = check_private(stream.get(), file, policy); !checked)
    return std::unexpected(std::move(checked.error()));
  return read(stream.get(), most, what);
}

Result<void> check_secret_file(const std::filesystem::path& file, SecretPolicy policy) {
  const Stream stream = open(file);
  if (!stream) return unreadable();
  if (auto readable = check_readable(stream.get()); !readable) return readable;
  return check_private(stream.get(), file, policy);
}

}  // namespace hangup::config
