#include "cleanup/http_sender.h"

#include "cleanup/signing.h"
#include "cleanup/url.h"
#include "cleanup/verdict.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <hangup/base/text.h>
#include <hangup/http/message.h>
#include <hangup/net/socket.h>

namespace hangup::cleanup {
namespace {

constexpr std::size_t max_idle = 512;        // connections, over all receivers
constexpr std::size_t max_receivers = 1024;  // remembered without a connection, for their TLS sessions
// Shorter than what receivers commonly keep idle connections for (5 s), so that one is seldom closed just as
// it is used.
constexpr Duration max_idle_time = std::chrono::seconds(4);

std::string_view header(const Delivery& delivery, std::string_view name) {
  for (const auto& [each, value] : delivery.headers) {
    if (equals_ignoring_case(each, name)) return value;
  }
  return {};
}

std::string make_request(const Delivery& delivery, const Url& url, const std::string& signature) {
  std::vector<http::Field> fields;
  fields.reserve(delivery.headers.size() + 2);
  const bool has_host = std::ranges::any_of(
      delivery.headers, [](const auto& header) { return equals_ignoring_case(header.first, "host"); });
  if (!has_host) fields.push_back({"Host", url.authority});
  for (const auto& [name, value] : delivery.headers) fields.push_back({name, value});
  if (!signature.empty()) fields.push_back({"webhook-signature", signature});
  const bool expects_body =
      delivery.method == "POST" || delivery.method == "PUT" || delivery.method == "PATCH";
  const auto framing = delivery.body.empty() && !expects_body
                           ? http::Framing::no_body()
                           : http::Framing::of_length(delivery.body.size());
  std::string request;
  http::append_request_head(request, delivery.method, url.target, fields, framing);
  request += delivery.body;
  return request;
}

}  // namespace

// One delivery being sent: find addresses, connect to one of them, exchange, within one deadline.
class HttpSender::Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(HttpSender& sender, const Delivery& delivery, Done done)
      : sender_(sender), delivery_(delivery), done_(std::move(done)) {}

  void start();
  // Nothing more will happen to it. What to call is the caller's now.
  Done stop();

 private:
  void resolve();
  bool take_signature();
  void connect(std::string last_error);
  void refuse();
  void exchange(std::unique_ptr<HttpConnection> connection);
  void ended(HttpConnection::Result result);
  void replied(const HttpConnection::Reply& reply);
  void timed_out();
  void lack(std::string error) {
    sender_.finish(*this, {.status = 0, .retry_after = {}, .error = std::move(error), .ours = true});
  }
  void fail(std::string error) {
    sender_.finish(*this, {.status = 0, .retry_after = {}, .error = std::move(error)});
  }

  HttpSender& sender_;
  const Delivery& delivery_;
  Done done_;
  Url url_;
  std::string signature_;
  std::shared_ptr<Receiver> receiver_;
  std::unique_ptr<Timer> deadline_;
  std::unique_ptr<net::Resolver::Lookup> lookup_;
  std::vector<SocketAddress> addresses_;
  std::size_t next_address_ = 0;
  std::unique_ptr<HttpConnection> connection_;
  std::string refused_;  // an address that is not allowed, of those that were tried
  bool any_allowed_ = false;
  bool reused_ = false;
};

void HttpSender::Attempt::start() {
  deadline_ = sender_.loop_.make_timer([this] { timed_out(); });
  deadline_->set(sender_.loop_.now() + delivery_.timeout);
  auto url = parse_url(delivery_.url);
  if (!url) return fail(std::move(url.error().message));
  url_ = std::move(*url);
  if (!take_signature()) return;
  receiver_ = sender_.receiver(sender_.receiver_of(delivery_).value(), delivery_, url_);
  if (auto idle = sender_.take_idle(*receiver_)) {
    reused_ = true;
    return exchange(std::move(idle));
  }
  resolve();
}

// An unsigned call where a signed one is expected would be refused, or, worse, teach a receiver to accept it.
bool HttpSender::Attempt::take_signature() {
  const auto& keys = sender_.credentials_->of(delivery_.cleanup).signing_keys;
  if (!keys.empty()) {
    signature_ = sign(keys, delivery_.id, header(delivery_, "webhook-timestamp"), delivery_.body);
    return true;
  }
  if (!delivery_.is_signed) return true;
  sender_.finish(*this, {.status = 0,
                         .retry_after = {},
                         .error = "the configuration has no signing key for cleanup `" + delivery_.cleanup +
                                  "` any more",
                         .hopeless = true});
  return false;
}

void HttpSender::Attempt::resolve() {
  if (!delivery_.socket.empty()) {
    auto address = SocketAddress::parse("unix:" + delivery_.socket);
    if (!address) return fail(std::move(address.error().message));
    addresses_.assign(1, *address);
    next_address_ = 0;
    return connect({});
  }
  lookup_ = sender_.resolver_.resolve(url_.host, url_.port, [this](net::Resolver::Addresses addresses) {
    if (!addresses && addresses.error().ours) return lack(std::move(addresses.error().message));
    if (!addresses) return fail(std::move(addresses.error().message));
    addresses_ = std::move(*addresses);
    const auto is_silent = [&](const SocketAddress& address) { return address == receiver_->silent; };
    if (const auto silent = std::ranges::find_if(addresses_, is_silent); silent != addresses_.end())
      std::rotate(silent, silent + 1, addresses_.end());
    next_address_ = 0;
    connect("the receiver's name has no address");
  });
}

// To the next address, if there is one left.
void HttpSender::Attempt::connect(std::string last_error) {
  const auto& allow = sender_.credentials_->of(delivery_.cleanup).allow;
  while (next_address_ < addresses_.size()) {
    const SocketAddress& address = addresses_[next_address_++];
    if (allow && !allow->contains(address)) {
      refused_ = address.to_string();
      continue;
    }
    any_allowed_ = true;
    auto socket = net::start_connect(address);
    if (socket)
      return exchange(std::make_unique<HttpConnection>(sender_.loop_, std::move(*socket), receiver_->peer));
    if (socket.error().ours) return lack(std::move(socket.error().message));
    last_error = std::move(socket.error().message);
  }
  if (!any_allowed_ && !refused_.empty()) return refuse();
  fail(std::move(last_error));
}

// Final: an address that nobody has allowed is no passing trouble, and whoever steers a name is not to be
// asked for another one.
void HttpSender::Attempt::refuse() {
  sender_.finish(*this, {.status = 0,
                         .retry_after = {},
                         .error = "address not allowed: " + refused_ + " is in no network of `allow`",
                         .hopeless = true});
}

void HttpSender::Attempt::exchange(std::unique_ptr<HttpConnection> connection) {
  if (delivery_.not_after && sender_.loop_.now() >= *delivery_.not_after)
    return fail("expired before there was a connection");
  connection_ = std::move(connection);
  connection_->exchange(make_request(delivery_, url_, signature_), delivery_.method, delivery_.not_after,
                        [this](HttpConnection::Result result) { ended(std::move(result)); });
}

void HttpSender::Attempt::ended(HttpConnection::Result result) {
  if (result) return replied(*result);
  const HttpConnection::Failure& failure = result.error();
  if (reused_ && !failure.answered) {
    // The receiver closed it while it was idle, most likely. Whatever it did with the request: it knows the
    // webhook-id.
    reused_ = false;
    return resolve();
  }
  if (!failure.connected) return connect(failure.message);
  fail(failure.message);
}

void HttpSender::Attempt::replied(const HttpConnection::Reply& reply) {
  if (reply.reusable) sender_.keep_idle(*receiver_, std::move(connection_));
  sender_.finish(*this, {.status = reply.status,
                         .retry_after = parse_retry_after(reply.retry_after, sender_.loop_.wall()),
                         .error = {}});
}

void HttpSender::Attempt::timed_out() {
  if (const auto reply = connection_ ? connection_->reply_so_far() : std::nullopt) {
    return replied({.status = reply->status, .retry_after = reply->retry_after, .reusable = false});
  }
  if (!connection_) return fail("timed out looking up the receiver's name");
  if (connection_->connecting()) receiver_->silent = addresses_[next_address_ - 1];
  fail(std::string("timed out ") + connection_->waits_for());
}

HttpSender::Done HttpSender::Attempt::stop() {
  deadline_->cancel();
  lookup_.reset();
  connection_.reset();
  return std::move(done_);
}

HttpSender::HttpSender(net::EventLoop& loop, std::shared_ptr<const Credentials> credentials)
    : loop_(loop),
      resolver_(loop),
      credentials_(std::move(credentials)),
      idle_timer_(loop.make_timer([this] { drop_stale(); })) {
  resolver_.open();  // while there are descriptors; otherwise names try again
}

HttpSender::~HttpSender() = default;

void HttpSender::send(const Delivery& delivery, Done done) {
  const auto attempt = std::make_shared<Attempt>(*this, delivery, std::move(done));
  attempts_.insert(attempt);
  loop_.defer([weak = std::weak_ptr(attempt)] {
    if (const auto still_there = weak.lock()) still_there->start();
  });
}

// The attempt itself goes later: one of its functions is running now.
void HttpSender::finish(Attempt& attempt, AttemptResult result) {
  auto owner = attempt.shared_from_this();
  attempts_.erase(owner);
  auto done = attempt.stop();
  loop_.defer([owner = std::move(owner)] {});
  done(std::move(result));
}

Result<std::string> HttpSender::receiver_of(const Delivery& delivery) const {
  auto name = Sender::receiver_of(delivery);
  if (name) *name += credentials_->kinship(delivery, name->starts_with("https"));
  return name;
}

void HttpSender::use(std::shared_ptr<const Credentials> credentials) {
  credentials_ = std::move(credentials);
  for (auto& [name, receiver] : receivers_) {  // attempts hold some of them
    receiver->outdated = true;
    idle_ -= receiver->idle.size();
    receiver->idle.clear();
  }
  receivers_.clear();
}

std::shared_ptr<HttpSender::Receiver> HttpSender::receiver(const std::string& name, const Delivery& delivery,
                                                           const Url& url) {
  if (const auto known = receivers_.find(name); known != receivers_.end()) return known->second;
  if (receivers_.size() >= max_receivers) {
    std::erase_if(receivers_,
                  [](const auto& each) { return each.second.use_count() == 1 && each.second->idle.empty(); });
  }
  auto made = std::make_shared<Receiver>();
  if (url.https) made->peer = credentials_->make_peer(delivery, url.host);
  return receivers_.emplace(name, std::move(made)).first->second;
}

std::unique_ptr<HttpConnection> HttpSender::take_idle(Receiver& receiver) {
  // The one used last is the least likely to be closed.
  while (!receiver.idle.empty()) {
    auto connection = std::move(receiver.idle.back().connection);
    receiver.idle.pop_back();
    --idle_;
    if (connection->usable()) return connection;
  }
  return nullptr;
}

void HttpSender::keep_idle(Receiver& receiver, std::unique_ptr<HttpConnection> connection) {
  if (idle_ >= max_idle || receiver.outdated) return;
  HttpConnection& idle = *connection;
  receiver.idle.push_back({.connection = std::move(connection), .since = loop_.now()});
  ++idle_;
  // The receiver is remembered for as long as it has an idle connection.
  idle.watch([this, &receiver, place = std::prev(receiver.idle.end())] {
    receiver.idle.erase(place);
    --idle_;
  });
  if (std::exchange(sweeping_, true)) return;
  idle_timer_->set(loop_.now() + max_idle_time);
}

void HttpSender::drop_stale() {
  sweeping_ = false;
  const MonoTime now = loop_.now();
  std::optional<MonoTime> next;
  for (auto& [name, receiver] : receivers_) {
    auto& idle = receiver->idle;
    while (!idle.empty() && idle.front().since + max_idle_time <= now) {
      idle.pop_front();
      --idle_;
    }
    if (!idle.empty() && (!next || idle.front().since < *next)) next = idle.front().since;
  }
  if (!next) return;
  sweeping_ = true;
  idle_timer_->set(*next + max_idle_time);
}

}  // namespace hangup::cleanup
