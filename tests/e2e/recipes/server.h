// A backend as a process of the test's own: no system service, nothing outside a directory of its own, and an
// address that nobody else uses.
#pragma once

#include "support/http_message.h"
#include "support/process.h"
#include "support/socket.h"

#include <csignal>
#include <string>
#include <string_view>
#include <vector>

namespace hangup::test {

// An address of 127.0.0.0/8 that belongs to this process, so that servers that can't be given a port of 0 can
// have a fixed one.
std::string own_host();

// What the file says, with "@NAME@" replaced by the values.
std::string filled_in(const std::filesystem::path& file,
                      const std::vector<std::pair<std::string, std::string>>& values);

class Server {
 public:
  // Starts it; `package` is the Debian package to blame if that is not possible. `end` ends it.
  Server(std::vector<std::string> argv, std::string_view package, int end = SIGKILL);
  Server(const Server&) = delete;
  ~Server();  // shows what it said if the test has failed

  // Waits until it answers this GET with that status.
  void wait_until_ready(const SocketAddress& where, std::string_view path, int status = 200);

 private:
  std::string said() const;

  std::string name_;
  int end_;
  TempDir dir_;
  Process process_;
};

// The answer to one request over a connection of its own.
Message ask(const SocketAddress& server, const std::string& request);

}  // namespace hangup::test
