#include "cleanup/http_sender.h"
#include "cleanup/verdict.h"

#include <utility>

#include <hangup/cleanup/cleanup.h>
#include <hangup/net/event_loop.h>

namespace hangup::cleanup {

Tried try_once(const Delivery& delivery, std::shared_ptr<const Credentials> credentials) {
  net::EventLoop loop;
  HttpSender sender(loop, std::move(credentials));
  Tried tried;
  const MonoTime start = loop.now();
  sender.send(delivery, [&](AttemptResult result) {
    tried = {.status = result.status,
             .error = std::move(result.error),
             .took = loop.now() - start,
             .acknowledged = verdict_of(result.status, delivery.ok_status) == Verdict::done};
    loop.stop();
  });
  loop.run();
  return tried;
}

}  // namespace hangup::cleanup
