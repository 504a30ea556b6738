// Header fields as received: an ordered multimap of views.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace hangup::http {

// Views into storage that somebody else owns; the owner says for how long.
struct Field {
  std::string_view name;
  std::string_view value;
};

// Whether two names are one where `_` stands for `-`, as in the variables of CGI.
bool same_variable(std::string_view a, std::string_view b);

// Names compare without case. Order, case and duplicates are kept as received. A contiguous range: what takes
// a std::span<const Field> takes Fields.
class Fields {
 public:
  void add(std::string_view name, std::string_view value) { fields_.push_back({name, value}); }
  void reserve(std::size_t count) { fields_.reserve(count); }
  // The first field of that name.
  std::optional<std::string_view> find(std::string_view name) const;
  std::size_t count(std::string_view name) const;
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  std::size_t size() const { return fields_.size(); }
  bool empty() const { return fields_.empty(); }

 private:
  std::vector<Field> fields_;
};

// The protocol that a message's Upgrade and Connection fields agree to change to (RFC 9110 section 7.8);
// nullopt for none, and for several, of which nobody here could choose.
std::optional<std::string_view> upgrade_of(const Fields& fields);

// The names that belong to one connection and are never forwarded (RFC 9110 section 7.6.1): the fixed set
// (Connection, Keep-Alive, Proxy-Connection, Proxy-Authenticate, Proxy-Authentication-Info,
// Proxy-Authorization, TE, Trailer, Transfer-Encoding, Upgrade) and what the message's own Connection fields
// name. Host and Content-Length stay even if named: a client must not be able to strip what the message is
// read by. Holds views into the message.
class HopByHop {
 public:
  explicit HopByHop(const Fields& fields);
  bool contains(std::string_view name) const;

 private:
  std::vector<std::string_view> named_;  // sorted; nearly always empty
};

}  // namespace hangup::http
