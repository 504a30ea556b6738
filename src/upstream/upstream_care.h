// What is done for one upstream on the loop of Care: a checker, a watch over its name and the end of an
// ejection for each server that needs them, and what is logged of these.
//
// Threading: belongs to the loop's thread.
#pragma once

#include "upstream/health_checker.h"
#include "upstream/name_watch.h"
#include "upstream/shared_upstream.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <hangup/net/event_loop.h>
#include <hangup/net/resolver.h>

namespace hangup::upstream {

// There is something to do for it.
bool needs_care(const config::Upstream& upstream);
// That many of its servers have names to be looked up.
std::size_t names_in(const config::Upstream& upstream);

class UpstreamCare {
 public:
  struct Needs {
    net::EventLoop& loop;
    net::Resolver& resolver;
    std::function<double()> random;  // from 0 to 1
    spdlog::logger& log;
  };
  // `on_name` is called once for each name, when its first lookup has ended.
  UpstreamCare(const Needs& needs, std::shared_ptr<SharedUpstream> upstream, std::function<void()> on_name);

  // A worker has ejected the server.
  void ejected(std::size_t server, const Outliers::Ejection& ejection, const std::string& why);

 private:
  struct Server {
    std::unique_ptr<HealthChecker> checker;
    std::unique_ptr<NameWatch> name;
    std::unique_ptr<Timer> ejection_end;
    std::shared_ptr<net::TlsPeer> peer;  // of checks
    unsigned tls_version = 0;            // that it was made with
    std::size_t address_turn = 0;
  };

  std::unique_ptr<Probe> probe(std::size_t server, HealthChecker::Done done);
  void checked(std::size_t server, const CheckResult& result);
  void await_return(std::size_t server, MonoTime end);
  void back_from_ejection(std::size_t server);
  const config::Server& config_of(std::size_t server) const { return upstream_->config().servers[server]; }

  Needs needs_;
  std::shared_ptr<SharedUpstream> upstream_;
  std::vector<Server> servers_;
};

}  // namespace hangup::upstream
