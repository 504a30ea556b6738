#include "support/dns_server.h"

#include "support/socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

namespace hangup::test {
namespace {

constexpr std::size_t header_bytes = 12;
constexpr int type_a = 1;

struct Question {
  std::string name;  // in lower case
  int type = 0;
  std::size_t end = 0;  // in the packet
};

std::optional<Question> question_of(const std::string& packet) {
  Question question;
  std::size_t at = header_bytes;
  while (at < packet.size() && packet[at] != 0) {
    const auto length = static_cast<unsigned char>(packet[at]);
    if (at + 1 + length > packet.size()) return std::nullopt;
    if (!question.name.empty()) question.name += '.';
    for (const char c : packet.substr(at + 1, length))
      question.name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    at += 1U + length;
  }
  question.end = at + 5;
  if (question.end > packet.size()) return std::nullopt;
  question.type = static_cast<unsigned char>(packet[at + 2]);
  return question;
}

}  // namespace

class DnsServer::Impl {
 public:
  Impl() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)), stop_(::eventfd(0, EFD_CLOEXEC)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      throw std::system_error(errno, std::generic_category(), "bind");
    thread_ = std::thread([this] { run(); });
  }
  ~Impl() {
    const std::uint64_t one = 1;
    if (::write(stop_.get(), &one, sizeof one) == sizeof one) thread_.join();
  }

  std::string where() const { return local_address(socket_).to_string(); }
  void set(const std::string& name, std::vector<std::string> addresses) {
    const std::scoped_lock lock(mutex_);
    names_[name] = std::move(addresses);
  }
  void forget(const std::string& name) {
    const std::scoped_lock lock(mutex_);
    names_.erase(name);
  }
  std::size_t questions(const std::string& name) const {
    const std::scoped_lock lock(mutex_);
    const auto found = questions_.find(name);
    return found == questions_.end() ? 0 : found->second;
  }

 private:
  void run() {
    for (;;) {
      pollfd ready[] = {{socket_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
      ::poll(ready, 2, -1);
      if ((ready[1].revents & POLLIN) != 0) return;
      char bytes[512];
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      const ssize_t length = ::recvfrom(socket_.get(), bytes, sizeof bytes, MSG_DONTWAIT,
                                        reinterpret_cast<sockaddr*>(&from), &size);
      if (length < static_cast<ssize_t>(header_bytes)) continue;
      const std::string reply = answer(std::string(bytes, static_cast<std::size_t>(length)));
      ::sendto(socket_.get(), reply.data(), reply.size(), 0, reinterpret_cast<const sockaddr*>(&from), size);
    }
  }

  std::string answer(std::string packet) {
    const auto question = question_of(packet);
    if (!question) return packet;
    const std::scoped_lock lock(mutex_);
    if (question->type == type_a) ++questions_[question->name];
    const auto found = names_.find(question->name);
    packet.resize(question->end);
    packet[2] = static_cast<char>(0x81);
    packet[3] = static_cast<char>(found != names_.end() ? 0x80 : 0x83);
    for (std::size_t i = 6; i < header_bytes; ++i) packet[i] = 0;
    if (found == names_.end() || question->type != type_a) return packet;
    packet[7] = static_cast<char>(found->second.size());
    for (const std::string& address : found->second) {
      in_addr number{};
      ::inet_pton(AF_INET, address.c_str(), &number);
      const char record[] = {static_cast<char>(0xc0), 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4};
      packet.append(record, sizeof record);
      packet.append(reinterpret_cast<const char*>(&number), sizeof number);
    }
    return packet;
  }

  Fd socket_;
  Fd stop_;
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<std::string>> names_;
  std::map<std::string, std::size_t> questions_;
  std::thread thread_;
};

DnsServer::DnsServer() : impl_(std::make_unique<Impl>()) {}
DnsServer::~DnsServer() = default;
std::string DnsServer::where() const {
  return impl_->where();
}
void DnsServer::set(const std::string& name, std::vector<std::string> addresses) {
  impl_->set(name, std::move(addresses));
}
void DnsServer::forget(const std::string& name) {
  impl_->forget(name);
}
std::size_t DnsServer::questions(const std::string& name) const {
  return impl_->questions(name);
}

}  // namespace hangup::test
