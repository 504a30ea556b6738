// What was added to the outbox and is not committed yet: two files beside it, which a killed process leaves
// behind for its successor. They live in the page cache, nothing is synced: what they are for is the death of
// the process, and what has to survive that of the machine is in SQLite some milliseconds later.
//
// Exchanges are appended to one of the files. flip() turns to the other one when that is empty, so that
// whoever commits knows that all of the first is in what it has taken; commit_done() empties it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <hangup/base/error.h>
#include <hangup/cleanup/cleanup.h>
#include <hangup/net/fd.h>

namespace hangup::cleanup {

// Threading: one thread at a time.
class Spool {
 public:
  // `path` is the outbox's.
  explicit Spool(const std::filesystem::path& path);

  struct Found {
    std::vector<std::vector<Delivery>> exchanges;
    std::size_t torn = 0;  // bytes at the ends of the files that make no whole record
  };
  // What an earlier process left; it stays in the files until it is committed. Before the first append(). A
  // file that can't be read now is trouble; nothing is appended to it before try_again() has read it.
  Found read();

  // One write of all the deliveries of an exchange: a crash leaves all of them or none. False when they are
  // not in the file: trouble() says why.
  bool append(const std::vector<Delivery>& deliveries);
  void flip();
  // All that was appended before the last flip() is committed.
  void commit_done();
  // All that was appended is.
  void clear();
  // After trouble: reads what could not be read, and finds out whether there is room for more.
  Found try_again();
  // "" when the last append() succeeded.
  const std::string& trouble() const { return trouble_; }

 private:
  struct File {
    std::filesystem::path path;
    net::Fd fd;  // once it was read
    std::uint64_t size = 0;
  };
  bool open(File& file, Found& found);
  bool read(File& file, int fd, Found& found);
  bool write(File& file);
  bool fail(const File& file, const char* what, int error);

  std::array<File, 2> files_;
  std::size_t active_ = 0;
  std::string record_;
  std::string trouble_;
};

}  // namespace hangup::cleanup
