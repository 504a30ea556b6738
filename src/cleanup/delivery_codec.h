// A delivery as bytes: how the outbox's file and its spool keep it. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <hangup/cleanup/cleanup.h>

namespace hangup::cleanup {

void encode(std::string& out, const Delivery& delivery);
inline std::string encode(const Delivery& delivery) {
  std::string bytes;
  encode(bytes, delivery);
  return bytes;
}

// nullopt for what encode() did not write, or a later version did.
std::optional<Delivery> decode_delivery(std::string_view bytes);

}  // namespace hangup::cleanup
