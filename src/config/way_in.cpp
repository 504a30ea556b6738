#include "config/way_in.h"

namespace hangup::config {
void read_way_in(Section& section, Listener& listener) {
  section.networks("trusted_proxies", listener.trusted_proxies);
}

}  // namespace hangup::config
