#include <charconv>

#include <hangup/http/chunks.h>

namespace hangup::http {

void append_chunk_start(std::string& out, std::size_t size) {
  char digits[16];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, size, 16).ptr);
  out += "\r\n";
}

void append_last_chunk(std::string& out, std::span<const Field> trailers) {
  out += "0\r\n";
  for (const Field& field : trailers) out.append(field.name).append(": ").append(field.value).append("\r\n");
  out += "\r\n";
}

}  // namespace hangup::http
