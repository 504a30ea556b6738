#include "support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

namespace hangup::test {
namespace {

Fd open_for_output(const std::filesystem::path& path) {
  Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!file) throw_errno("open " + path.string());
  return file;
}

}  // namespace

TempDir::TempDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "hangup-test-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw_errno("mkdtemp");
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  if (!(file << text).flush()) throw_errno("write " + path.string());
  std::filesystem::permissions(path,
                               std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string Exit::to_string() const {
  return status ? "exit status " + std::to_string(*status)
                : "killed by signal " + std::to_string(signal.value_or(0));
}

// fork and exec rather than posix_spawn: the child must die with the test, even one that is killed.
Process::Process(std::vector<std::string> argv, const std::filesystem::path& out,
                 const std::filesystem::path& err) {
  raise_descriptor_limit();
  const Fd out_file = open_for_output(out);
  const Fd err_file = open_for_output(err);
  std::vector<char*> arguments;
  for (std::string& argument : argv) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) throw_errno("fork");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(::open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
    ::dup2(out_file.get(), STDOUT_FILENO);
    ::dup2(err_file.get(), STDERR_FILENO);
    ::execvp(arguments.front(), arguments.data());
    ::_exit(127);
  }
  // sys/pidfd.h of glibc 2.36 is not fit for C++.
  handle_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!handle_) throw_errno("pidfd_open");
}

Process::~Process() {
  if (running()) signal(SIGKILL);
  wait();
}

bool Process::running() {
  return !wait(std::chrono::milliseconds(0));
}

void Process::signal(int number) const {
  if (::kill(pid_, number) != 0) throw_errno("kill");
}

std::optional<Exit> Process::wait(std::chrono::milliseconds bound) {
  if (exit_) return exit_;
  pollfd watched{.fd = handle_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&watched, 1, static_cast<int>(bound.count())) <= 0) return std::nullopt;
  int status = 0;
  if (::waitpid(pid_, &status, 0) != pid_) throw_errno("waitpid");
  exit_.emplace();
  if (WIFEXITED(status)) {
    exit_->status = WEXITSTATUS(status);
  } else {
    exit_->signal = WTERMSIG(status);
  }
  return exit_;
}

Finished run(std::vector<std::string> argv) {
  const TempDir dir;
  const std::string name = argv.front();
  Process process(std::move(argv), dir / "out", dir / "err");
  const auto exit = process.wait();
  if (!exit) throw TimedOut("the end of " + name);
  return {*exit, read_file(dir / "out"), read_file(dir / "err")};
}

}  // namespace hangup::test
