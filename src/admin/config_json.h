// The configuration as it is in effect, by the keys of the file, with every default filled in and what is or
// may be secret left out.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <hangup/config/config.h>

namespace hangup::admin {

// Any thread.
//
// What came from the environment or a file stands as it was written, "${STOP_TOKEN}". Of what is written in
// the configuration itself, the values of headers, fields and parameters whose names say that they are
// secret, bodies that have such a name in them, and signing keys are not shown.
nlohmann::ordered_json config_json(const config::Config& config);

}  // namespace hangup::admin
