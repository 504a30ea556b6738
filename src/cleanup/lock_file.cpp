#include "cleanup/lock_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace hangup::cleanup {
namespace {

std::string holder_of(int file) {
  std::array<char, 24> text;
  const ssize_t size = ::pread(file, text.data(), text.size(), 0);
  std::string pid(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  pid.resize(std::min(pid.size(), pid.find('\n')));
  return pid.empty() ? "another process" : "process " + pid;
}

}  // namespace

std::expected<LockFile, LockFile::Refusal> LockFile::acquire(const std::filesystem::path& path) {
  net::Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (!file) {
    return std::unexpected(Refusal{
        .held = false, .message = fmt::format("can't open {}: {}", path.string(), std::strerror(errno))});
  }
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    const bool held = errno == EWOULDBLOCK;
    return std::unexpected(
        Refusal{.held = held,
                .message = held ? fmt::format("{} is held by {}", path.string(), holder_of(file.get()))
                                : fmt::format("can't lock {}: {}", path.string(), std::strerror(errno))});
  }
  struct stat status{};
  ::fstat(file.get(), &status);
  const WallTime last_sign(std::chrono::seconds(status.st_mtim.tv_sec) +
                           std::chrono::nanoseconds(status.st_mtim.tv_nsec));
  // For people. That it can't be written, on a full disk, changes nothing about the lock.
  const std::string pid = std::to_string(::getpid()) + '\n';
  if (::ftruncate(file.get(), 0) == 0) [[maybe_unused]]
    const ssize_t written = ::pwrite(file.get(), pid.data(), pid.size(), 0);
  return LockFile(std::move(file), last_sign);
}

void LockFile::give_sign(WallTime now) const {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  const timespec time{.tv_sec = seconds.time_since_epoch().count(),
                      .tv_nsec = std::chrono::nanoseconds(now - seconds).count()};
  const timespec times[2] = {time, time};
  ::futimens(file_.get(), times);
}

}  // namespace hangup::cleanup
