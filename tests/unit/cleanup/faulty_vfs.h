// SQLite's file system with faults: from the n-th write, sync, truncation or opening on, so many of them fail
// with a given code. While one of these exists, every database opened is under it.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstdlib>

namespace hangup::test {

class FaultyVfs {
 public:
  FaultyVfs() : real_(sqlite3_vfs_find(nullptr)), vfs_(*real_) {
    if (current() != nullptr) std::abort();
    current() = this;
    vfs_.pNext = nullptr;
    vfs_.zName = "faulty";
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
    vfs_.xOpen = &FaultyVfs::open;
    sqlite3_vfs_register(&vfs_, 1);
  }
  ~FaultyVfs() {
    sqlite3_vfs_unregister(&vfs_);
    sqlite3_vfs_register(real_, 1);
    current() = nullptr;
  }
  FaultyVfs(const FaultyVfs&) = delete;

  static constexpr long for_ever = 1'000'000'000;
  // `first` counts from 0, from now on.
  void fail(long first, long count, int code) {
    code_ = code;
    last_ = calls_ + first + count;
    first_ = calls_ + first;
  }
  void heal() { first_ = last_ = 0; }
  long calls() const { return calls_; }  // that can fail
  long failures() const { return failures_; }

 private:
  struct File {
    sqlite3_file base;
    sqlite3_io_methods methods;
    sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  };
  static FaultyVfs*& current() {
    static FaultyVfs* vfs = nullptr;
    return vfs;
  }
  static sqlite3_file* real(sqlite3_file* file) { return reinterpret_cast<File*>(file)->real(); }
  static const sqlite3_io_methods& methods(sqlite3_file* file) { return *real(file)->pMethods; }

  int next() {
    const long call = calls_++;
    if (call < first_ || call >= last_) return SQLITE_OK;
    ++failures_;
    return code_;
  }

  static int open(sqlite3_vfs*, sqlite3_filename name, sqlite3_file* base, int flags, int* out_flags) {
    auto* file = reinterpret_cast<File*>(base);
    file->base.pMethods = nullptr;
    if (const int code = current()->next(); code != SQLITE_OK) return SQLITE_CANTOPEN;
    const int code = current()->real_->xOpen(current()->real_, name, file->real(), flags, out_flags);
    if (code != SQLITE_OK) return code;
    // What can't fail goes straight to the real file.
    file->methods = *file->real()->pMethods;
    sqlite3_io_methods& to = file->methods;
    to.iVersion = 2;
    to.xClose = [](sqlite3_file* f) { return methods(f).xClose(real(f)); };
    to.xRead = [](sqlite3_file* f, void* p, int n, sqlite3_int64 at) {
      return methods(f).xRead(real(f), p, n, at);
    };
    to.xWrite = [](sqlite3_file* f, const void* p, int n, sqlite3_int64 at) {
      const int fault = current()->next();
      return fault != SQLITE_OK ? fault : methods(f).xWrite(real(f), p, n, at);
    };
    to.xTruncate = [](sqlite3_file* f, sqlite3_int64 size) {
      const int fault = current()->next();
      return fault != SQLITE_OK ? fault : methods(f).xTruncate(real(f), size);
    };
    to.xSync = [](sqlite3_file* f, int how) {
      const int fault = current()->next();
      return fault != SQLITE_OK ? fault : methods(f).xSync(real(f), how);
    };
    to.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) { return methods(f).xFileSize(real(f), size); };
    to.xLock = [](sqlite3_file* f, int level) { return methods(f).xLock(real(f), level); };
    to.xUnlock = [](sqlite3_file* f, int level) { return methods(f).xUnlock(real(f), level); };
    to.xCheckReservedLock = [](sqlite3_file* f, int* out) {
      return methods(f).xCheckReservedLock(real(f), out);
    };
    to.xFileControl = [](sqlite3_file* f, int op, void* arg) {
      return methods(f).xFileControl(real(f), op, arg);
    };
    to.xSectorSize = [](sqlite3_file* f) { return methods(f).xSectorSize(real(f)); };
    to.xDeviceCharacteristics = [](sqlite3_file* f) { return methods(f).xDeviceCharacteristics(real(f)); };
    to.xShmMap = [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
      return methods(f).xShmMap(real(f), page, size, extend, out);
    };
    to.xShmLock = [](sqlite3_file* f, int at, int n, int how) {
      return methods(f).xShmLock(real(f), at, n, how);
    };
    to.xShmBarrier = [](sqlite3_file* f) { methods(f).xShmBarrier(real(f)); };
    to.xShmUnmap = [](sqlite3_file* f, int remove) { return methods(f).xShmUnmap(real(f), remove); };
    file->base.pMethods = &file->methods;
    return SQLITE_OK;
  }

  sqlite3_vfs* real_;
  sqlite3_vfs vfs_;
  std::atomic<long> calls_ = 0;
  std::atomic<long> failures_ = 0;
  std::atomic<long> first_ = 0;
  std::atomic<long> last_ = 0;
  std::atomic<int> code_ = 0;
};

}  // namespace hangup::test
