// Writing a chunked body (RFC 9112 section 7.1).
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include <hangup/http/fields.h>

namespace hangup::http {

// What stands behind a chunk's data.
inline constexpr char chunk_end[] = "\r\n";

// Appends what stands before the data of a chunk of `size` bytes; size is not 0.
void append_chunk_start(std::string& out, std::size_t size);
// Appends the end of the body, with its trailers.
void append_last_chunk(std::string& out, std::span<const Field> trailers);

}  // namespace hangup::http
