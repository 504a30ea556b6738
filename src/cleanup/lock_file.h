// A file that says who works with the files beside it: one process at a time. The kernel gives it up when the
// process ends, however it ends.
#pragma once

#include <expected>
#include <filesystem>
#include <string>

#include <hangup/net/fd.h>

namespace hangup::cleanup {

class LockFile {
 public:
  struct Refusal {
    bool held = false;  // by another process; else the file can't be had
    std::string message;
  };
  // The file names its holder, and stays when the lock goes.
  static std::expected<LockFile, Refusal> acquire(const std::filesystem::path& path);

 private:
  explicit LockFile(net::Fd file) : file_(std::move(file)) {}
  net::Fd file_;
};

}  // namespace hangup::cleanup
