#include "observe/log_file.h"

#include <fcntl.h>
#include <spdlog/common.h>
#include <spdlog/pattern_formatter.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

namespace hangup::observe {
namespace {

// Opened in a way that does not wait; written to in one that does.
net::Fd open_to_append(const std::string& path) {
  constexpr int flags = O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  net::Fd file(::open(path.c_str(), O_WRONLY | flags, 0640));
  // A pipe that nobody reads yet opens for those only who could read it too.
  if (!file && errno == ENXIO) file = net::Fd(::open(path.c_str(), O_RDWR | flags, 0640));
  if (!file) return file;
  const int now = ::fcntl(file.get(), F_GETFL);
  if (now < 0 || ::fcntl(file.get(), F_SETFL, now & ~O_NONBLOCK) < 0) return net::Fd();
  return file;
}

}  // namespace

Result<std::shared_ptr<LogFile>> LogFile::open(const std::string& path) {
  net::Fd file = open_to_append(path);
  if (!file) return std::unexpected(Error{"can't open " + path + " for appending: " + std::strerror(errno)});
  return std::make_shared<LogFile>(path, std::move(file));
}

LogFile::LogFile(std::string path, net::Fd file)
    : path_(std::move(path)),
      file_(std::move(file)),
      formatter_(std::make_unique<spdlog::pattern_formatter>()) {}

void LogFile::log(const spdlog::details::log_msg& message) {
  formatted_.clear();
  formatter_->format(message, formatted_);
  const char* at = formatted_.data();
  std::size_t left = formatted_.size();
  while (left > 0) {
    const ssize_t written = ::write(file_.get(), at, left);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw spdlog::spdlog_ex("can't write to " + path_, errno);
    at += written;
    left -= static_cast<std::size_t>(written);
  }
}

void LogFile::set_pattern(const std::string& pattern) {
  set_formatter(std::make_unique<spdlog::pattern_formatter>(pattern));
}

void LogFile::set_formatter(std::unique_ptr<spdlog::formatter> formatter) {
  formatter_ = std::move(formatter);
}

}  // namespace hangup::observe
