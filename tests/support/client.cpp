#include "support/client.h"

#include "support/wait.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace hangup::test {

Client::Client(const SocketAddress& server, const BufferSizes& buffers)
    : socket_(connect_to(server, buffers)) {}

bool Client::wait(short events, std::chrono::milliseconds bound) const {
  pollfd watched{.fd = socket_.get(), .events = events, .revents = 0};
  const int count = ::poll(&watched, 1, static_cast<int>(bound.count()));
  if (count < 0) throw_errno("poll");
  return count > 0;
}

bool Client::try_send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(size));
    } else if (errno != EAGAIN) {
      return false;
    } else if (!wait(POLLOUT, patience)) {
      throw TimedOut("the server to take " + std::to_string(bytes.size()) + " more bytes");
    }
  }
  return true;
}

void Client::send(std::string_view bytes) {
  if (!try_send(bytes)) throw_errno("send");
}

std::uint64_t Client::send_until_blocked(std::string_view bytes, std::uint64_t most) {
  constexpr std::chrono::milliseconds quiet(100);
  std::uint64_t total = 0;
  for (std::string_view rest = bytes; total < most; rest = rest.empty() ? bytes : rest) {
    const ssize_t size = ::send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (size >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(size));
      total += static_cast<std::uint64_t>(size);
    } else if (errno != EAGAIN) {
      throw_errno("send");
    } else if (!wait(POLLOUT, quiet)) {
      break;
    }
  }
  return total;
}

// Appends what is there to `unread_`, waiting for it; false once the server has closed.
bool Client::receive() {
  if (closed_) return false;
  std::array<char, 64 * 1024> buffer;
  for (;;) {
    const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (size > 0) {
      unread_.append(buffer.data(), static_cast<std::size_t>(size));
      return true;
    }
    if (size == 0 || errno != EAGAIN) {
      closed_ = size == 0 ? Closed::fin : Closed::reset;
      return false;
    }
    if (!wait(POLLIN, patience)) throw TimedOut("bytes from the server");
  }
}

// Feeds the reader for as long as the message is `wanted`; returns early at its end or the connection's.
void Client::read_while(const std::string& what, bool (*wanted)(const Message&, std::uint64_t),
                        std::uint64_t argument) {
  if (!reader_) throw std::logic_error("no response is being read");
  const Message& message = *reader_->message();
  while (!message.complete && wanted(message, argument)) {
    if (unread_.empty() && !receive()) {
      reader_->end_of_input();
      if (!message.head_complete) throw std::runtime_error("the server closed before " + what);
      return;
    }
    unread_.erase(0, reader_->feed(unread_));
  }
}

const Response& Client::read_head(std::string_view method) {
  response_ = {};
  for (;;) {
    reader_ = MessageReader::for_response(std::string(method));
    read_while("a response", [](const Message& message, std::uint64_t) { return !message.head_complete; }, 0);
    static_cast<Message&>(response_) = *reader_->message();
    if (response_.status / 100 != 1 || response_.status == 101) return response_;
    response_.interim.push_back(response_);
  }
}

Message Client::read_interim() {
  reader_ = MessageReader::for_response("GET");
  read_while(
      "an interim response", [](const Message& message, std::uint64_t) { return !message.head_complete; }, 0);
  const Message message = *reader_->message();
  if (message.status / 100 != 1)
    throw std::runtime_error("a final response where an interim one was expected");
  return message;
}

const Response& Client::read_body(std::uint64_t at_least) {
  read_while(
      "the body", [](const Message& message, std::uint64_t wanted) { return message.body_bytes < wanted; },
      at_least);
  static_cast<Message&>(response_) = *reader_->message();
  return response_;
}

Response Client::finish() {
  read_while("the end", [](const Message&, std::uint64_t) { return true; }, 0);
  static_cast<Message&>(response_) = *reader_->message();
  reader_.reset();
  return response_;
}

std::string Client::read_raw_until(std::string_view mark) {
  std::size_t at = 0;
  while ((at = unread_.find(mark)) == std::string::npos) {
    if (!receive()) throw std::runtime_error("the server closed before \"" + std::string(mark) + '"');
  }
  std::string taken = unread_.substr(0, at + mark.size());
  unread_.erase(0, taken.size());
  return taken;
}

std::string Client::read_to_close() {
  while (receive()) {
  }
  return std::exchange(unread_, {});
}

void Client::fin() {
  if (::shutdown(socket_.get(), SHUT_WR) != 0) throw_errno("shutdown");
}

}  // namespace hangup::test
