// ${ENV_NAME} and ${ENV_NAME:-default} in the strings of a configuration; `$$` is one `$`, any other `$`
// itself.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hangup::config {

struct Expansion {
  struct Error {
    std::size_t offset = 0;  // into the raw text
    std::string message;
    bool quotes_text = false;  // the message shows what no environment variable is called
  };

  std::string text;
  std::string as_written;  // of a template: ${NAME} left as it is, and no template variable
  std::vector<Error> errors;

  // Where in the raw text an offset into `text` comes from.
  std::size_t raw_offset(std::size_t offset) const;

  std::vector<std::pair<std::size_t, std::size_t>> marks;  // (in text, in raw), where the distance changes
};

// What comes out of the environment is text: with `for_template`, its braces are doubled so that they don't
// start template variables.
Expansion expand_environment(std::string_view raw, bool for_template);

}  // namespace hangup::config
