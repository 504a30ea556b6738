#include "support/manager.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>

namespace hangup::test {

Manager::Manager(std::optional<std::chrono::microseconds> watchdog) : watchdog_(watchdog) {
  socket_ = Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (dir_ / "notify").string().copy(address.sun_path, sizeof address.sun_path - 1);
  if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw_errno("bind");
}

// The shell keeps its process number when it becomes the service, which is what LISTEN_PID is about.
std::vector<std::string> Manager::service(const std::vector<std::pair<std::string, int>>& sockets) const {
  std::string script = "export NOTIFY_SOCKET=" + (dir_ / "notify").string() + "\n";
  if (watchdog_)
    script += "export WATCHDOG_PID=$$ WATCHDOG_USEC=" + std::to_string(watchdog_->count()) + "\n";
  if (!sockets.empty()) {
    std::string names;
    std::string moves;
    int number = 3;
    for (const auto& [name, socket] : sockets) {
      if (::fcntl(socket, F_SETFD, 0) != 0) throw_errno("fcntl");  // as far as to the shell
      names += (names.empty() ? "" : ":") + name;
      moves += " " + std::to_string(number++) + "<&" + std::to_string(socket);
    }
    script +=
        "export LISTEN_PID=$$ LISTEN_FDS=" + std::to_string(sockets.size()) + " LISTEN_FDNAMES=" + names;
    script += "\nexec \"$@\"" + moves + "\n";
  } else {
    script += "exec \"$@\"\n";
  }
  return {"bash", "-c", script, "service"};
}

std::optional<std::string> Manager::receive(std::chrono::milliseconds bound) const {
  pollfd watched{.fd = socket_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&watched, 1, static_cast<int>(bound.count())) <= 0) return std::nullopt;
  std::array<char, 4096> buffer;
  const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
  if (size < 0) throw_errno("recv");
  return std::string(buffer.data(), static_cast<std::size_t>(size));
}

std::string Manager::next(std::chrono::milliseconds bound) const {
  auto message = receive(bound);
  if (!message) throw TimedOut("a message to the manager");
  return *message;
}

std::string Manager::wait_for(const std::string& line) const {
  for (;;) {
    const std::string message = next();
    if (('\n' + message + '\n').contains('\n' + line + '\n')) return message;
  }
}

bool Manager::silent_for(std::chrono::milliseconds time) const {
  return !receive(time);
}

}  // namespace hangup::test
