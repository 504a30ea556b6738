// Finds the end of a head that arrives in pieces, in linear time, and refuses it as early as its line ends
// and its size allow.
#pragma once

#include "http/parsed.h"

#include <cstddef>
#include <string_view>

namespace hangup::http {

enum class HeadKind { request, response };

// The size of the head at the front of `bytes`, blank line included, or 0 while it is not whole. After
// success every LF in the head has a CR before it, and the start line and each field line stand between two
// of them. A request may have empty lines before it, which are part of its head.
Parsed<std::size_t> find_head_end(std::string_view bytes, const HeadLimits& limits, HeadKind kind,
                                  HeadScan& scan);

// Longer methods than any in use; a request is refused with 501 (RFC 9112 section 3).
inline constexpr std::size_t max_method_bytes = 32;

ParseError target_too_long();

}  // namespace hangup::http
