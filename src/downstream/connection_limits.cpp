#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include <hangup/base/counter.h>
#include <hangup/downstream/connection_limits.h>

namespace hangup::downstream {
namespace {

// An IPv4 address, or the first half of an IPv6 one: whoever has a /64 has all of its addresses. Nothing for
// a UNIX socket. The marked IPv4 addresses are a part of IPv6 (0:1::/32) that nobody has.
std::optional<std::uint64_t> key_of(const SocketAddress& client) {
  constexpr std::uint64_t ipv4 = std::uint64_t{1} << 32;
  if (client.family() == AF_INET) {
    return ipv4 | ntohl(reinterpret_cast<const sockaddr_in*>(client.data())->sin_addr.s_addr);
  }
  if (client.family() != AF_INET6) return std::nullopt;
  const in6_addr& address = reinterpret_cast<const sockaddr_in6*>(client.data())->sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    std::uint32_t mapped = 0;
    std::memcpy(&mapped, &address.s6_addr[12], sizeof mapped);
    return ipv4 | ntohl(mapped);
  }
  std::uint64_t prefix = 0;
  for (int i = 0; i < 8; ++i) prefix = prefix << 8 | address.s6_addr[i];
  return prefix;
}

}  // namespace

ConnectionPlace::~ConnectionPlace() {
  if (limits_ == nullptr) return;
  if (client_) limits_->remove_client(*client_);
  limits_->release();
}

bool ConnectionPlace::name_client(const SocketAddress& client) {
  if (limits_->most_of_a_client() == 0) return true;
  const auto key = key_of(client);
  if (!key) return true;
  if (!limits_->add_client(*key)) return false;
  client_ = key;
  return true;
}

ConnectionLimits::ConnectionLimits(const config::Listener::Connections& config, std::size_t most)
    : when_full_(config.when_full), most_(most), most_of_a_client_(config.per_client) {}

void ConnectionLimits::change(const config::Listener::Connections& config, std::size_t most) {
  when_full_.store(config.when_full);
  most_of_a_client_.store(config.per_client);
  most_.store(most);
  pass_on();  // there may be more places now
}

ConnectionPlace ConnectionLimits::take() {
  return take_one(open_, most()) ? ConnectionPlace(*this) : ConnectionPlace();
}

ConnectionPlace ConnectionLimits::take_or_wait(Waiter& waiter) {
  if (ConnectionPlace place = take()) return place;
  {
    const std::scoped_lock lock(mutex_);
    waiters_.push_back(&waiter);
    waiting_.store(waiters_.size());
  }
  ConnectionPlace place = take();  // one may have been given back before we were seen to wait: it woke nobody
  if (place) forget(waiter);
  return place;
}

void ConnectionLimits::pass_on() {
  if (waiting_.load() != 0 && open_.load() < most()) wake_one();
}

void ConnectionLimits::forget(Waiter& waiter) {
  {
    const std::scoped_lock lock(mutex_);
    std::erase(waiters_, &waiter);
    waiting_.store(waiters_.size());
  }
  pass_on();  // it may have been woken for nothing
}

bool ConnectionLimits::begin_refusal() {
  return take_one(refusals_, most_refusals);
}

void ConnectionLimits::release() {
  open_.fetch_sub(1);
  if (waiting_.load() != 0) wake_one();
}

void ConnectionLimits::wake_one() {
  const std::scoped_lock lock(mutex_);
  if (waiters_.empty()) return;
  Waiter* first = waiters_.front();
  waiters_.pop_front();
  waiting_.store(waiters_.size());
  first->wake();
}

ConnectionLimits::Shard& ConnectionLimits::shard_of(std::uint64_t client) {
  constexpr std::uint64_t spread = 0x9E3779B97F4A7C15;  // neighbours in a network are in different shards
  return shards_[(client * spread) >> (64 - std::countr_zero(shards_.size()))];
}

bool ConnectionLimits::add_client(std::uint64_t client) {
  Shard& shard = shard_of(client);
  const std::scoped_lock lock(shard.mutex);
  std::size_t& open = shard.open[client];
  if (open >= most_of_a_client()) return false;
  ++open;
  return true;
}

void ConnectionLimits::remove_client(std::uint64_t client) {
  Shard& shard = shard_of(client);
  const std::scoped_lock lock(shard.mutex);
  const auto entry = shard.open.find(client);
  if (--entry->second == 0) shard.open.erase(entry);
}

}  // namespace hangup::downstream
