// A configuration file: it is taken, or each problem has a place and a message.
#include "fuzz/fuzz.h"

#include <netdb.h>

#include <string>

#include <hangup/config/config.h>

// Instead of the system's: a name in a file is not looked up in the network.
extern "C" int getaddrinfo(const char*, const char*, const addrinfo*, addrinfo**) {
  return EAI_NONAME;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using hangup::fuzz::require;
  const std::string text(hangup::fuzz::view(data, size));
  const auto config = hangup::config::parse(text, "fuzz.yaml");
  if (config) {
    require(!(*config)->listeners.empty() && (*config)->workers > 0, "what is taken can be run");
    return 0;
  }
  require(!config.error().empty(), "what is refused has a problem");
  for (const hangup::config::Problem& problem : config.error()) {
    require(!problem.message.empty(), "a problem has a message");
    require(!hangup::config::to_string(problem, "fuzz.yaml").empty(), "a problem can be shown");
  }
  return 0;
}
