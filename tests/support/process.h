// Child processes: started, watched, signalled, reaped.
#pragma once

#include "support/socket.h"
#include "support/wait.h"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace hangup::test {

// A directory of its own, removed with all that is in it.
class TempDir {
 public:
  TempDir();
  TempDir(const TempDir&) = delete;
  ~TempDir();
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void write_file(const std::filesystem::path& path, const std::string& text);
std::string read_file(const std::filesystem::path& path);

// How a process ended.
struct Exit {
  std::optional<int> status;  // what it returned
  std::optional<int> signal;  // or what killed it
  std::string to_string() const;
};

class Process {
 public:
  // argv[0] is looked up in PATH. Its standard output and error go to these files.
  Process(std::vector<std::string> argv, const std::filesystem::path& out, const std::filesystem::path& err);
  Process(const Process&) = delete;
  ~Process();  // kills it if it still runs

  pid_t pid() const { return pid_; }
  bool running();
  void signal(int number) const;
  // nullopt when it still runs after that time.
  std::optional<Exit> wait(std::chrono::milliseconds bound = patience);

 private:
  pid_t pid_ = -1;
  Fd handle_;
  std::optional<Exit> exit_;
};

struct Finished {
  Exit exit;
  std::string out;
  std::string err;
};
// Runs to the end; throws TimedOut when there is none.
Finished run(std::vector<std::string> argv);

}  // namespace hangup::test
