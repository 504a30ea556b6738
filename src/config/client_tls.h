// tls: of an upstream and of a cleanup, where hangup is the client.
#pragma once

#include "config/section.h"

#include <filesystem>
#include <string_view>

#include <hangup/config/config.h>

namespace hangup::config {

// The name of a file that is there and that this process may read. What is in it is found out when TLS is set
// up. `is_secret`: nobody else may read it.
void read_file_name(Section& section, std::string_view key, std::filesystem::path& out,
                    bool is_secret = false);

// That the files can be read is checked here; what is in them, when TLS is set up.
void read_client_tls(Section& section, ClientTls& tls);

}  // namespace hangup::config
