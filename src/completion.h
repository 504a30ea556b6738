// Completion of the command line in shells, made of the command line's own definition, so that it can't know
// less or more.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace hangup {

// A script for bash that completes the command that `cli` defines: its subcommands, options, and those values
// that are files or one of a few words. `cli` was defined; whether it was parsed makes no difference.
std::string bash_completion(const CLI::App& cli);

}  // namespace hangup
