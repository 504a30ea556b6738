// A DNS server on loopback that says of names what the test says.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace hangup::test {

// Threads: one of its own answers; every function may be called from any thread.
class DnsServer {
 public:
  DnsServer();
  ~DnsServer();
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  std::string where() const;  // "127.0.0.1:40123"
  // The name has these IPv4 addresses from now on. Names that nothing was said of do not exist.
  void set(const std::string& name, std::vector<std::string> addresses);
  void forget(const std::string& name);
  // Questions for the name's IPv4 addresses so far.
  std::size_t questions(const std::string& name) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hangup::test
