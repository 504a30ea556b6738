// Which server of an upstream a request goes to: one worker's view, by the kind of `balance`.
//
// A choice is a walk over the servers from the best on, which ends with the first that has room. Servers that
// are down come last: when all are, all are tried. Those of weight 0 don't come at all.
// - round_robin: smooth weighted, as nginx's: of weights 5, 1, 1 comes a a b a c a a.
// - least_requests: by requests under way for each unit of weight; among equals by round_robin.
// - random_two: two at random by their weights, the one with fewer requests for its weight first.
// - hash: rendezvous, weighted: each key has its own order of the servers, which depends on nothing but their
//   URLs and weights. A server that goes takes only its own keys with it, each to the next in its order. A
//   request without a key goes by round_robin.
// A server's weight is what it has by slow start at that moment.
//
// Threading: belongs to its worker's thread. A choice takes no lock and no memory.
#pragma once

#include "upstream/shared_upstream.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace hangup::upstream {

class Balancer {
 public:
  using Key = std::optional<std::uint64_t>;
  // The same in every process, on every machine.
  static std::uint64_t hash(std::string_view key);

  // `turn` is how far into the round it begins, so that not all workers begin with the same server; `seed` is
  // for chance.
  Balancer(const SharedUpstream& upstream, unsigned turn, std::uint64_t seed);

  // Begins a choice.
  void begin(Key key, MonoTime now);
  // The best of those that it has not given yet.
  std::optional<std::size_t> next();
  // The one given last is chosen. A choice that ends without has changed nothing.
  void take();

 private:
  struct Server {
    std::size_t index = 0;   // in the configuration
    double full_weight = 1;  // as configured
    double weight = 1;       // in this choice
    double credit = 0;       // in the rounds of round_robin
    std::uint64_t hash = 0;  // of its URL
  };
  // What comes first is better.
  struct Candidate {
    bool down;
    double rank;    // by the kind of balance
    double credit;  // among equals; negative, so that more is better
    std::size_t server;
    auto operator<=>(const Candidate&) const = default;
  };

  double rank(const Server& server, Key key);
  double load(const Server& server) const;
  void compare_two();

  const SharedUpstream& upstream_;
  const config::Balance kind_;
  std::vector<Server> servers_;        // with a weight
  std::vector<Candidate> candidates_;  // those that were not given yet are a heap; behind it the others
  std::size_t left_ = 0;               // how many these are
  bool in_turn_ = false;               // the choice goes by round_robin, at least among equals
  std::uint64_t random_;
};

}  // namespace hangup::upstream
