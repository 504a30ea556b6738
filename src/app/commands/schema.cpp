// hangup schema: what a configuration may have in it, for editors and for tools that check YAML.
#include "schema_text.h"

#include <ostream>

#include <hangup/app/commands.h>

namespace hangup::app::commands {

int schema(std::ostream& out) {
  out << schema_text << std::flush;
  return out ? exit_ok : exit_failed;
}

}  // namespace hangup::app::commands
