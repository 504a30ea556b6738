// A webhook receiver on loopback that says exactly what a test wants, in plain text or by TLS.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <memory>
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
    bool resumed = false;     // its TLS session
    std::string server_name;  // by SNI
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

  explicit ScriptedReceiver(Script script, std::uint16_t port = 0, std::shared_ptr<SSL_CTX> tls = nullptr)
      : script_(std::move(script)), tls_(std::move(tls)) {
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
    return std::string(tls_ ? "https" : "http") + "://127.0.0.1:" + std::to_string(port_) + path;
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

  // One connection.
  struct Wire {
    int fd;
    SSL* ssl = nullptr;

    ssize_t read(char* into, std::size_t size) const {
      return ssl != nullptr ? SSL_read(ssl, into, static_cast<int>(size)) : ::recv(fd, into, size, 0);
    }
    ssize_t write(const char* bytes, std::size_t size) const {
      if (ssl != nullptr)
        return SSL_write(ssl, bytes, static_cast<int>(std::min<std::size_t>(size, 1 << 20)));
      return ::send(fd, bytes, size, MSG_NOSIGNAL);
    }
  };

  void serve(int socket, int connection) {
    // OpenSSL writes to a socket that may be closed without asking for no signal.
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    const std::unique_ptr<SSL, void (*)(SSL*)> ssl(tls_ ? SSL_new(tls_.get()) : nullptr, SSL_free);
    if (ssl) SSL_set_fd(ssl.get(), socket);
    if (!ssl || SSL_accept(ssl.get()) == 1) converse({.fd = socket, .ssl = ssl.get()}, connection);
    ::shutdown(socket, SHUT_RDWR);
  }

  void converse(const Wire& fd, int connection) {
    std::string input;
    for (;;) {
      Request request;
      request.connection = connection;
      if (fd.ssl != nullptr) {
        request.resumed = SSL_session_reused(fd.ssl) == 1;
        const char* name = SSL_get_servername(fd.ssl, TLSEXT_NAMETYPE_host_name);
        request.server_name = name != nullptr ? name : "";
      }
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
        while (fd.read(sink, sizeof sink) > 0) {
        }
        break;
      }
    }
  }

  static bool read_request(const Wire& fd, std::string& input, Request& request) {
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
  static bool read_more(const Wire& fd, std::string& input) {
    char buffer[4096];
    const ssize_t count = fd.read(buffer, sizeof buffer);
    if (count > 0) input.append(buffer, static_cast<std::size_t>(count));
    return count > 0;
  }
  static void write_all(const Wire& fd, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = fd.write(bytes.data(), bytes.size());
      if (count <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }

  Script script_;
  const std::shared_ptr<SSL_CTX> tls_;
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
