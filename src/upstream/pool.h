// One worker's connections to an upstream's servers, and the requests that wait for one.
#pragma once

#include "upstream/balancer.h"
#include "upstream/http1_connection.h"
#include "upstream/shared_upstream.h"

#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <hangup/net/event_loop.h>
#include <hangup/upstream/upstream.h>

namespace hangup::upstream {

class PooledRequest;

class Pool final : public Upstream, public Http1Connection::Owner {
 public:
  Pool(net::EventLoop& loop, std::shared_ptr<SharedUpstream> shared);
  ~Pool() override;

  const config::Upstream& config() const override { return shared_->config(); }
  std::span<const Addresses::List> addresses() override {
    follow_names();
    return addresses_;
  }
  std::unique_ptr<ServerRequest> request(ServerObserver& observer, Tries& tries,
                                         const RequestOptions& options) override;

  enum class Found : std::uint8_t { connection, none_free, none_left };
  // Gives the request a connection, idle or connecting, to a server that it has not tried, and takes it out
  // of the queue. The request is told by its on_found().
  Found find_connection(PooledRequest& request);
  // False when the queue is full.
  bool enqueue(PooledRequest& request);
  void leave_queue(PooledRequest& request);
  // What has come free here is for the requests that wait at other workers, for this moment.
  bool gives_way() const { return gives_way_; }
  // All of the server's addresses that one request may try have failed.
  bool tried(const Tries& tries, std::size_t server) const;
  // By `retries`, for what these tries come from; takes it from the budget and counts it.
  bool may_retry(Tries& tries, RetryCause cause, int status);
  MonoTime recent() const { return loop_.recent(); }
  SharedUpstream::Requests& counts() { return counts_; }
  // Connecting to it has failed: the others of its name are tried first for a while. Null: it has no name.
  void address_failed(std::size_t server, const SocketAddress* address);

 private:
  using Connections = std::list<std::unique_ptr<Http1Connection>>;

  net::EventLoop& loop() override { return loop_; }
  void on_reusable(Http1Connection& connection) override;
  void on_closed(Http1Connection& connection) override;

  // A server with room for one more request; `idle` is null when a connection is to be opened, and counted
  // already.
  struct Choice {
    std::size_t server = 0;
    Http1Connection* idle = nullptr;
  };
  // The best of them, or, with `idle_only`, of those with an idle connection.
  Found choose(const PooledRequest& request, bool idle_only, Choice& choice);
  bool use(const Choice& choice, PooledRequest& request);
  void serve_queue();
  bool anything_free() const;
  bool is_for_others();
  void give_way();
  // What no event tells of.
  void look_after_queue();
  void give_up_idle();
  // Null for plain text. The server's TLS session is resumed by the next connection.
  std::shared_ptr<net::TlsPeer> peer(std::size_t server);
  // Closes what is idle and was made with TLS settings that were read anew since, sessions too.
  void follow_reload();
  // Closes what is idle and leads to where the server's name does not lead any more.
  void follow_names();
  bool leads_to_server(const Http1Connection& connection) const;
  // In turn, those last that could not be connected to lately. Null: its name was never found.
  std::shared_ptr<const SocketAddress> next_address(std::size_t server);
  void close_expired();

  net::EventLoop& loop_;
  std::shared_ptr<SharedUpstream> shared_;
  SharedUpstream::Requests& counts_;
  std::vector<Connections> idle_;  // a list a server, the one used last in front
  Connections busy_;
  std::vector<std::shared_ptr<net::TlsPeer>> peers_;  // a server each; null until there is a TLS connection
  unsigned tls_version_ = 0;                          // that they were made with
  std::vector<Addresses::List> addresses_;            // a server each
  unsigned addresses_version_ = 0;
  std::vector<std::size_t> address_turns_;  // a server each
  // Until when others go first, by server and place; empty until connecting to one fails.
  std::vector<std::vector<MonoTime>> addresses_failed_;
  std::list<PooledRequest*> queue_;
  bool gives_way_ = false;
  bool others_turn_ = false;
  Balancer balancer_;
  const bool retries_anything_;  // by `retries`, beyond connecting
  std::unique_ptr<Timer> idle_timer_;
  std::unique_ptr<Timer> queue_timer_;                    // while anybody waits, or it gives way
  std::shared_ptr<int> alive_ = std::make_shared<int>();  // for wake-ups that arrive too late
  SharedUpstream::Workers::iterator worker_;
};

}  // namespace hangup::upstream
