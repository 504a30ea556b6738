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

Result<net::Fd> open_to_append(const std::string& path, int flags = 0) {
  net::Fd file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | flags, 0640));
  if (!file) return std::unexpected(Error{"can't open " + path + " for appending: " + std::strerror(errno)});
  return file;
}

}  // namespace

Result<std::shared_ptr<LogFile>> LogFile::open(const std::string& path) {
  auto file = open_to_append(path);
  if (!file) return std::unexpected(std::move(file.error()));
  return std::make_shared<LogFile>(path, std::move(*file));
}

LogFile::LogFile(std::string path, net::Fd file)
    : path_(std::move(path)),
      file_(std::move(file)),
      formatter_(std::make_unique<spdlog::pattern_formatter>()) {}

LogFile::~LogFile() {
  adopt();
}

Result<void> LogFile::reopen() {
  // A pipe that nobody reads must not stop whoever asks.
  auto file = open_to_append(path_, O_NONBLOCK);
  if (!file) return std::unexpected(std::move(file.error()));
  const int flags = ::fcntl(file->get(), F_GETFL);
  if (flags < 0 || ::fcntl(file->get(), F_SETFL, flags & ~O_NONBLOCK) < 0)
    return std::unexpected(Error{"can't write to " + path_ + ": " + std::strerror(errno)});
  const net::Fd unused(next_.exchange(file->release()));  // of a reopening that no message has followed
  return {};
}

void LogFile::adopt() {
  if (next_.load(std::memory_order_relaxed) < 0) return;
  if (const int next = next_.exchange(-1); next >= 0) file_ = net::Fd(next);
}

void LogFile::log(const spdlog::details::log_msg& message) {
  adopt();
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
