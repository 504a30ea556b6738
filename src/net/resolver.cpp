#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

#include <utility>

#include <hangup/net/event_loop.h>
#include <hangup/net/fd.h>
#include <hangup/net/resolver.h>

namespace hangup::net {
namespace {

constexpr const char* resolv_conf = "/etc/resolv.conf";
constexpr int resolv_conf_not_open = 1;  // of evdns_base_resolv_conf_parse()

std::vector<SocketAddress> addresses_of(const evutil_addrinfo* list) {
  std::vector<SocketAddress> addresses;
  for (; list != nullptr; list = list->ai_next) {
    if (list->ai_family == AF_INET || list->ai_family == AF_INET6) {
      addresses.emplace_back(list->ai_addr, static_cast<socklen_t>(list->ai_addrlen));
    }
  }
  return addresses;
}

}  // namespace

// What the asker holds, and what libevent's callback finds: whichever goes last frees the state.
class Resolver::Query final : public Lookup {
 public:
  struct State {
    Resolver& resolver;
    std::string host;
    Done done;  // empty when nobody wants to know any more
    evdns_getaddrinfo_request* request = nullptr;
  };

  explicit Query(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~Query() override {
    state_->done = nullptr;
    // The callback still comes, with the news that it was cancelled.
    if (state_->request != nullptr) evdns_getaddrinfo_cancel(state_->request);
  }

  static void answered(int result, evutil_addrinfo* list, void* argument) {
    const std::unique_ptr<std::shared_ptr<State>> held(static_cast<std::shared_ptr<State>*>(argument));
    const std::shared_ptr<State> state = *held;
    state->request = nullptr;
    --state->resolver.unanswered_;
    auto addresses = addresses_of(list);
    if (list != nullptr) evutil_freeaddrinfo(list);
    Addresses answer = std::move(addresses);
    if (result != 0) {
      answer = std::unexpected(
          LookupError{{"cannot look up " + state->host + ": " + evutil_gai_strerror(result)}, false});
    } else if (answer->empty()) {
      answer = std::unexpected(LookupError{{"cannot look up " + state->host + ": it has no address"}, false});
    }
    // Deferred because libevent answers at once, from inside the question, what it knows already.
    state->resolver.loop_.defer([state, answer = std::move(answer)]() mutable {
      if (auto done = std::exchange(state->done, nullptr)) done(std::move(answer));
    });
  }

 private:
  std::shared_ptr<State> state_;
};

Resolver::~Resolver() {
  if (dns_ == nullptr) return;
  // Dropped questions are answered by events of the loop, which need the resolver.
  for (int turns = 0; unanswered_ > 0 && turns < 16; ++turns) event_base_loop(loop_.base(), EVLOOP_NONBLOCK);
  evdns_base_free(dns_, 0);
}

// What has no server to ask would be kept, and would answer nothing, for ever.
bool Resolver::open() {
  if (dns_ != nullptr) return true;
  dns_ = evdns_base_new(loop_.base(), EVDNS_BASE_DISABLE_WHEN_INACTIVE);
  if (dns_ == nullptr) return false;
  if (start()) return true;
  evdns_base_free(std::exchange(dns_, nullptr), 0);
  return false;
}

bool Resolver::start() {
  if (!server_.empty()) return evdns_base_nameserver_ip_add(dns_, server_.c_str()) == 0;
  // libevent makes do without files that it can't open, as is right only for those that do not exist.
  if (!Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC))) return false;
  // Without the file a server on this machine is asked.
  const int result = evdns_base_resolv_conf_parse(dns_, DNS_OPTIONS_ALL, resolv_conf);
  const bool cannot_read = result == resolv_conf_not_open && ::access(resolv_conf, F_OK) == 0;
  return !cannot_read && evdns_base_count_nameservers(dns_) > 0;
}

std::unique_ptr<Resolver::Lookup> Resolver::resolve(const std::string& host, std::uint16_t port, Done done) {
  auto state = std::make_shared<Query::State>(*this, host, std::move(done));
  auto query = std::make_unique<Query>(state);
  evutil_addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_protocol = IPPROTO_TCP;
  hints.ai_flags = EVUTIL_AI_NUMERICHOST;
  evutil_addrinfo* numeric = nullptr;
  const std::string service = std::to_string(port);
  if (evutil_getaddrinfo(host.c_str(), service.c_str(), &hints, &numeric) == 0) {
    ++unanswered_;
    Query::answered(0, numeric, new std::shared_ptr<Query::State>(state));
    return query;
  }
  hints.ai_flags = 0;
  if (!open()) {
    loop_.defer([state] {
      if (auto failed = std::exchange(state->done, nullptr))
        failed(std::unexpected(LookupError{{"cannot start a DNS client"}, true}));
    });
    return query;
  }
  ++unanswered_;
  state->request = evdns_getaddrinfo(dns_, host.c_str(), service.c_str(), &hints, &Query::answered,
                                     new std::shared_ptr<Query::State>(state));
  return query;
}

}  // namespace hangup::net
