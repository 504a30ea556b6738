// A request target: its parts are the whole, and the path that routes are compared with has one spelling.
#include "http/target.h"

#include "fuzz/fuzz.h"

#include <string>

#include <hangup/config/path.h>

namespace hangup::fuzz {
namespace {

void check_target(std::string_view text, std::string_view method) {
  const auto target = http::parse_target(text, method);
  if (!target) return;
  require(!target->path.empty(), "a path is never empty");
  if (target->authority.empty()) {
    std::string joined(target->path);
    if (target->has_query) joined.append("?").append(target->query);
    require(joined == text, "the parts are the whole");
  } else {
    require(http::is_valid_host(target->authority), "an authority is a valid host");
    require(text.ends_with(target->query), "the query is the end");
  }
  require(text.find_first_of(std::string_view("\0\t\n\r #\x7f", 7)) == std::string_view::npos,
          "no control, blank or fragment is taken");
  if (!target->path.starts_with('/')) return;

  std::string scratch, scratch_again;
  const std::string once(config::normalised_path(target->path, scratch));
  require(once.starts_with('/'), "a normalised path is absolute");
  require(!once.contains("/../") && !once.ends_with("/..") && !once.contains("/./"),
          "no dot segment is left");
  require(config::normalised_path(once, scratch_again) == once, "a normalised path is normal");
  require(config::percent_decoded(once).size() <= once.size(), "decoding does not lengthen");
}

}  // namespace
}  // namespace hangup::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = hangup::fuzz::view(data, size);
  hangup::fuzz::check_target(text, "GET");
  hangup::fuzz::check_target(text, "OPTIONS");
  if (hangup::http::is_valid_host(text)) {
    hangup::fuzz::require(
        text.find_first_of(std::string_view("\0\r\n @/\\?#,", 10)) == std::string_view::npos,
        "a host has no character that ends it for others");
  }
  const auto pattern = hangup::config::compile_path_pattern(text);
  if (pattern) hangup::fuzz::require(pattern->text == text, "a pattern keeps its text");
  return 0;
}
