// One worker's exchanges: takes requests from front ends, finds their route, and carries each to its one
// outcome.
#pragma once

#include <spdlog/fwd.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <hangup/base/random.h>
#include <hangup/base/request_id.h>
#include <hangup/base/scheduler.h>
#include <hangup/base/utc.h>
#include <hangup/cleanup/cleanup.h>
#include <hangup/config/config.h>
#include <hangup/downstream/client_stream.h>
#include <hangup/observe/access_log.h>
#include <hangup/observe/metrics.h>
#include <hangup/proxy/router.h>
#include <hangup/upstream/upstream.h>

namespace hangup::proxy {

class Access;
class Exchange;
struct RoutePlan;

// What exchanges need; everything outlives the Proxy.
struct Dependencies {
  Scheduler& scheduler;
  std::shared_ptr<const config::Config> config;
  const Router& router;
  // This worker's side of each upstream of the configuration.
  std::map<const config::Upstream*, upstream::Upstream*> upstreams;
  cleanup::Outbox& outbox;
  cleanup::InFlightJournal* journal = nullptr;  // null: none is kept
  observe::AccessLog& access_log;
  observe::WorkerMetrics& metrics;
  spdlog::logger& log;
};

// What an operator sees of an exchange in flight.
struct InFlight {
  std::string request_id;
  std::string route;   // "" for none
  std::string client;  // "127.0.0.1:5000"
  std::string method;
  std::string host;
  std::string path;      // without the query, which may hold secrets
  std::string upstream;  // the server; "" as long as none was chosen
  Phase phase = Phase::reading_request;
  bool client_is_gone = false;  // and the work goes on
  Duration age{};
};

// Threading: belongs to its worker's thread. Destroyed after the front ends, whose streams its exchanges
// hold.
class Proxy final : public downstream::RequestSink {
 public:
  explicit Proxy(Dependencies dependencies);
  ~Proxy();

  void on_request(downstream::ClientStream& stream, http::RequestHead head) override;
  void on_refused(downstream::ClientStream& stream, http::RequestHead head,
                  const downstream::Refusal& refusal) override;
  void on_abandoned(const downstream::ClientInfo& client, MonoTime started) override;
  void on_not_arrived(const downstream::ClientInfo& client,
                      const downstream::ArrivalFailure& failure) override;

  std::size_t in_flight() const { return exchanges_.size(); }
  // Those that have been in flight longest, `most` of them at most.
  std::vector<InFlight> oldest_in_flight(std::size_t most) const;
  // Ends every exchange with outcome shutdown.
  void shut_down();

  // For exchanges.
  const Dependencies& needs() const { return needs_; }
  std::string new_id() { return ids_.next(); }
  RandomBytes& random() { return random_; }
  const Access& access() const { return *access_; }
  // Now, for a Date field; good until the next call.
  std::string_view date() { return date_.at(needs_.scheduler.wall()); }
  // Has the exchange, whose client has left and whose server knows it, settle() soon: where many leave at
  // once, the servers of those that follow hear of it first.
  void settle_soon(Exchange& exchange);
  // Takes the exchange, which has ended, away; it is destroyed later in this turn of the loop.
  void remove(Exchange& exchange);
  // Of a route of the configuration.
  const RoutePlan& plan(const config::Route& route) const;
  // Writes what the exchange of `route`, null for none, has come to, and counts it.
  void record(const config::Route* route, const observe::AccessRecord& record);
  // Whether a path that servers may read as another route's must not reach them: some are let in, others not.
  bool guards_paths() const { return guards_paths_; }
  // To build a message's fields in; for one call at a time.
  std::vector<http::Field>& fields() { return fields_; }
  // The same for a text.
  std::string& scratch() { return scratch_; }

 private:
  Exchange& add(downstream::ClientStream& stream, http::RequestHead head);
  void settle_some();
  void settle(std::size_t most);

  Dependencies needs_;
  UuidGenerator ids_;
  RandomBytes random_;
  std::unique_ptr<Access> access_;
  bool guards_paths_;
  std::vector<http::Field> fields_;
  std::string scratch_;
  SecondText date_;
  std::vector<RoutePlan> plans_;  // as the configuration's routes
  observe::RouteCounts& unrouted_;
  std::list<std::unique_ptr<Exchange>> exchanges_;
  std::deque<Exchange*> to_settle_;
  bool more_left_ = false;  // clients, since the last look
  MonoTime settle_by_;
  std::unique_ptr<Timer> settle_timer_;
  // Of failed arrivals: anybody can cause as many as they like.
  MonoTime second_begun_;
  unsigned said_this_second_ = 0;
  std::uint64_t left_unsaid_ = 0;
};

}  // namespace hangup::proxy
