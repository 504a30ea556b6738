#include "upstream/balancer.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include <hangup/base/hash.h>

namespace hangup::upstream {
namespace {

// splitmix64's step and output function (Steele, Lea and Flood 2014): every bit depends on every other.
constexpr std::uint64_t golden = 0x9e3779b97f4a7c15U;
constexpr std::uint64_t mixed(std::uint64_t bits) {
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9U;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebU;
  return bits ^ (bits >> 31);
}

// A server's lot in a draw in which the lowest wins: exponentially distributed, so that each wins as often as
// its weight says, and the order behind the winner is that of draws among the rest.
double lot(std::uint64_t bits, double weight) {
  const double uniform = (static_cast<double>(bits >> 12) + 0.5) * 0x1p-52;  // between 0 and 1
  return -std::log(uniform) / weight;
}

}  // namespace

std::uint64_t Balancer::hash(std::string_view key) {
  return mixed(fnv1a(key));
}

Balancer::Balancer(const SharedUpstream& upstream, unsigned turn, std::uint64_t seed)
    : upstream_(upstream), kind_(upstream.config().balance), random_(seed) {
  const auto& servers = upstream.config().servers;
  std::size_t round = 0;
  for (std::size_t i = 0; i < servers.size(); ++i) {
    if (servers[i].weight == 0) continue;
    round += servers[i].weight;
    servers_.push_back(
        {.index = i, .full_weight = static_cast<double>(servers[i].weight), .hash = hash(servers[i].url)});
  }
  candidates_.resize(servers_.size());
  if (round == 0) return;
  for (std::size_t i = 0; i < turn % round; ++i) {
    begin(std::nullopt, MonoTime());
    next();
    take();
  }
}

void Balancer::begin(Key key, MonoTime now) {
  left_ = servers_.size();
  in_turn_ = false;
  if (left_ == 1) {
    candidates_.front().server = 0;
    return;
  }
  using config::Balance;
  in_turn_ =
      kind_ == Balance::round_robin || kind_ == Balance::least_requests || (kind_ == Balance::hash && !key);
  for (std::size_t i = 0; i < left_; ++i) {
    Server& server = servers_[i];
    server.weight = server.full_weight * upstream_.share(server.index, now);
    candidates_[i] = {.down = !upstream_.is_up(server.index, now),
                      .rank = rank(server, key),
                      .credit = in_turn_ ? -(server.credit + server.weight) : 0,
                      .server = i};
  }
  std::ranges::make_heap(candidates_, std::ranges::greater());
  if (kind_ == Balance::random_two) compare_two();
}

double Balancer::rank(const Server& server, Key key) {
  switch (kind_) {
    case config::Balance::round_robin:
      return 0;
    case config::Balance::least_requests:
      return load(server);
    case config::Balance::random_two:
      return lot(mixed(random_ += golden), server.weight);
    case config::Balance::hash:
      return key ? lot(mixed(*key ^ server.hash), server.weight) : 0;
  }
  return 0;
}

double Balancer::load(const Server& server) const {
  return static_cast<double>(upstream_.requests(server.index)) / server.weight;
}

// Of the two that were drawn the one with less to do comes first.
void Balancer::compare_two() {
  std::ranges::pop_heap(candidates_, std::ranges::greater());
  std::pop_heap(candidates_.begin(), candidates_.end() - 1, std::ranges::greater());
  Candidate& first = candidates_.back();
  Candidate& second = *(candidates_.end() - 2);
  if (first.down == second.down && load(servers_[second.server]) < load(servers_[first.server]))
    std::swap(first.server, second.server);
  std::push_heap(candidates_.begin(), candidates_.end() - 1, std::ranges::greater());
  std::ranges::push_heap(candidates_, std::ranges::greater());
}

std::optional<std::size_t> Balancer::next() {
  if (left_ == 0) return std::nullopt;
  std::pop_heap(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(left_),
                std::ranges::greater());
  --left_;
  return servers_[candidates_[left_].server].index;
}

// All that the chosen one was preferred to for its credit alone get their weight as credit, and it pays for
// all. Those that had no room are not among them: they would save up for a burst.
void Balancer::take() {
  if (!in_turn_) return;
  const Candidate& chosen = candidates_[left_];
  double paid = 0;
  for (std::size_t i = 0; i <= left_; ++i) {
    const Candidate& each = candidates_[i];
    if (each.down != chosen.down || each.rank != chosen.rank) continue;
    servers_[each.server].credit += servers_[each.server].weight;
    paid += servers_[each.server].weight;
  }
  servers_[chosen.server].credit -= paid;
}

}  // namespace hangup::upstream
