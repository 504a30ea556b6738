// /config: what is in effect.
#include "admin/config_json.h"
#include "admin/pages.h"

namespace hangup::admin {

void add_config_page(Pages& pages, const Office& office) {
  pages["/config"]["GET"] = [&sources = office.sources](const Request&, const HttpListener::Reply& reply) {
    reply(json_answer(200, config_json(*sources.running()->config)));
  };
}

}  // namespace hangup::admin
