// A file that says who works with the files beside it: one process at a time. The kernel gives it up when the
// process ends, however it ends.
#pragma once

#include <expected>
#include <filesystem>
#include <string>

#include <hangup/base/clock.h>
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

  // When an earlier holder last said that it lives; for a new file, about now.
  WallTime last_sign() const { return last_sign_; }
  // Says that this one does: by the time of the file's last change.
  void give_sign(WallTime now) const;

 private:
  LockFile(net::Fd file, WallTime last_sign) : file_(std::move(file)), last_sign_(last_sign) {}
  net::Fd file_;
  WallTime last_sign_;
};

}  // namespace hangup::cleanup
