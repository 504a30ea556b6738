// Field lines, as a head and a trailer section have them.
#pragma once

#include "http/parsed.h"

#include <string_view>

namespace hangup::http {

// Adds the fields of `lines`, which is zero or more lines that each end with CRLF, the empty last one not
// among them. REQUIRES: each LF has a CR before it.
Parsed<void> read_field_lines(std::string_view lines, Fields& fields);

}  // namespace hangup::http
