#include "app/crashed_exchanges.h"

namespace hangup::app {

void log_crashed(std::span<const cleanup::CrashedExchange> exchanges, observe::AccessLog& access_log,
                 observe::WorkerMetrics& counted) {
  for (const cleanup::CrashedExchange& exchange : exchanges) {
    observe::AccessRecord record;
    record.start = exchange.started;
    record.request_id = exchange.request_id;
    record.trace_id = exchange.trace_id;
    record.client_ip = exchange.client_ip;
    record.client_port = exchange.client_port;
    record.user = exchange.user;
    record.method = exchange.method;
    record.host = exchange.host;
    record.path = exchange.path;
    record.route = exchange.route;
    record.status = exchange.status;
    record.outcome = Outcome::crashed;
    record.phase = exchange.phase;
    record.upstream = exchange.upstream;
    record.cleanup_ids = exchange.cleanup_ids;
    record.cleanup_skipped = exchange.cleanup_skipped;
    record.error = "hangup died with this exchange in flight";
    access_log.write(record);
    counted.ended_unbegun(counted.route(exchange.route), record);
  }
}

}  // namespace hangup::app
