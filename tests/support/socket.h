// Sockets as test peers need them. Errors throw std::system_error: in a test there is nothing to do about
// them.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <hangup/base/address.h>

namespace hangup::test {

// Owns a descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { close(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void close();

 private:
  int fd_ = -1;
};

// How the other side ended a connection.
enum class Closed { fin, reset };

// 0: the system's own, which grow by themselves.
struct BufferSizes {
  int receive = 0;
  int send = 0;
};

SocketAddress address(std::string_view text);

// Non-blocking, close-on-exec; port 0 takes a free one.
Fd listen_on(const SocketAddress& where, int backlog, const BufferSizes& buffers = {});
// Connects, waiting for it, and is non-blocking from then on.
Fd connect_to(const SocketAddress& where, const BufferSizes& buffers = {});
// From an address of this machine's, with a free port.
Fd connect_from(const SocketAddress& source, const SocketAddress& where);
SocketAddress local_address(const Fd& socket);
// The close that follows sends RST and discards what was not sent.
void close_with_reset(Fd& socket);
// Takes the pending error of a socket; 0 for none.
int take_error(const Fd& socket);

// As many descriptors as the system lets this process, and those it starts, have. Once per process.
void raise_descriptor_limit();

[[noreturn]] void throw_errno(const std::string& what);

// A port at which every connection is refused, and which nobody else can take meanwhile.
class RefusingPort {
 public:
  RefusingPort();
  SocketAddress where() const { return local_address(socket_); }
  std::string url() const { return "http://" + where().to_string(); }

 private:
  Fd socket_;
};

// A port at which connecting is never answered: its listen queue is full.
class SilentPort {
 public:
  SilentPort();
  std::string url() const { return "http://" + local_address(listener_).to_string(); }
  SocketAddress where() const { return local_address(listener_); }

 private:
  Fd listener_;
  Fd filler_;
};

}  // namespace hangup::test
