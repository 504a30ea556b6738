// A webhook receiver on loopback that says exactly what a test wants.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace hangup::test {

class ScriptedReceiver {
 public:
  struct Request {
    std::string head;  // with its blank line
    std::string body;
    int connection = 0;
  };
  // What is written, and what follows.
  struct Reply {
    std::string bytes;
    enum class Then { serve, close, hold } then = Then::serve;
  };
  using Script = std::function<Reply(int number, const Request& request)>;

  static Reply respond(const std::string& status, const std::string& fields = "") {
    return {"HTTP/1.1 " + status + "\r\n" + fields + "Content-Length: 0\r\n\r\n"};
  }
  // Holds the connection open and says nothing more until the other side closes.
  static Reply hold(std::string bytes = "") { return {std::move(bytes), Reply::Then::hold}; }
  static Reply close(std::string bytes = "") { return {std::move(bytes), Reply::Then::close}; }

  explicit ScriptedReceiver(Script script, std::uint16_t port = 0) : script_(std::move(script)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 1024) != 0)
      std::abort();
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }

  ~ScriptedReceiver() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (const int fd : sockets_) ::shutdown(fd, SHUT_RDWR);
    for (auto& server : servers_) server.join();
    for (const int fd : sockets_) ::close(fd);
    ::close(listener_);
  }

  std::uint16_t port() const { return port_; }
  std::string url(const std::string& path = "/") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }

  std::vector<Request> requests() {
    const std::scoped_lock lock(mutex_);
    return requests_;
  }
  void wait_for_requests(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return requests_.size() >= count; });
  }

 private:
  void accept_all() {
    for (;;) {
      const int fd = ::accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      const int number = static_cast<int>(sockets_.size());
      sockets_.push_back(fd);  // only this thread, and the destructor after it
      servers_.emplace_back([this, fd, number] { serve(fd, number); });
    }
  }

  void serve(int fd, int connection) {
    std::string input;
    for (;;) {
      Request request;
      request.connection = connection;
      if (!read_request(fd, input, request)) break;
      Reply reply;
      {
        const std::scoped_lock lock(mutex_);
        requests_.push_back(request);
        reply = script_(static_cast<int>(requests_.size()) - 1, request);
      }
      changed_.notify_all();
      write_all(fd, reply.bytes);
      if (reply.then == Reply::Then::close) break;
      if (reply.then == Reply::Then::hold) {
        char sink[4096];
        while (::recv(fd, sink, sizeof sink, 0) > 0) {
        }
        break;
      }
    }
    ::shutdown(fd, SHUT_RDWR);
  }

  static bool read_request(int fd, std::string& input, Request& request) {
    std::size_t end = 0;
    while ((end = input.find("\r\n\r\n")) == std::string::npos) {
      if (!read_more(fd, input)) return false;
    }
    request.head = input.substr(0, end + 4);
    input.erase(0, end + 4);
    std::size_t length = 0;
    if (const auto field = request.head.find("Content-Length: "); field != std::string::npos) {
      length = std::strtoul(request.head.c_str() + field + 16, nullptr, 10);
    }
    while (input.size() < length) {
      if (!read_more(fd, input)) return false;
    }
    request.body = input.substr(0, length);
    input.erase(0, length);
    return true;
  }
  static bool read_more(int fd, std::string& input) {
    char buffer[4096];
    const ssize_t count = ::recv(fd, buffer, sizeof buffer, 0);
    if (count > 0) input.append(buffer, static_cast<std::size_t>(count));
    return count > 0;
  }
  static void write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }

  Script script_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::thread acceptor_;
  std::vector<int> sockets_;
  std::vector<std::thread> servers_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Request> requests_;  // guarded by mutex_
};

}  // namespace hangup::test
