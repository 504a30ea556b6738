#include "cleanup/http_sender.h"

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

constexpr std::size_t max_idle = 64;  // over all receivers
// Shorter than what receivers commonly keep idle connections for (5 s), so that one is seldom closed just as
// it is used.
constexpr Duration max_idle_time = std::chrono::seconds(4);

std::string make_request(const Delivery& delivery, const Url& url) {
  std::vector<http::Field> fields;
  fields.reserve(delivery.headers.size() + 1);
  const bool has_host = std::ranges::any_of(
      delivery.headers, [](const auto& header) { return equals_ignoring_case(header.first, "host"); });
  if (!has_host) fields.push_back({"Host", url.authority});
  for (const auto& [name, value] : delivery.headers) fields.push_back({name, value});
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
  void connect(std::string last_error);
  void exchange(std::unique_ptr<HttpConnection> connection);
  void ended(HttpConnection::Result result);
  void replied(const HttpConnection::Reply& reply);
  void timed_out();
  void fail(std::string error) {
    sender_.finish(*this, {.status = 0, .retry_after = {}, .error = std::move(error)});
  }

  HttpSender& sender_;
  const Delivery& delivery_;
  Done done_;
  Url url_;
  std::unique_ptr<Timer> deadline_;
  std::unique_ptr<net::Resolver::Lookup> lookup_;
  std::vector<SocketAddress> addresses_;
  std::size_t next_address_ = 0;
  std::unique_ptr<HttpConnection> connection_;
  bool reused_ = false;
};

void HttpSender::Attempt::start() {
  deadline_ = sender_.loop_.make_timer([this] { timed_out(); });
  deadline_->set(sender_.loop_.now() + delivery_.timeout);
  auto url = parse_url(delivery_.url);
  if (!url) return fail(std::move(url.error().message));
  url_ = std::move(*url);
  if (auto idle = sender_.take_idle(url_.receiver())) {
    reused_ = true;
    return exchange(std::move(idle));
  }
  resolve();
}

void HttpSender::Attempt::resolve() {
  lookup_ =
      sender_.resolver_.resolve(url_.host, url_.port, [this](Result<std::vector<SocketAddress>> addresses) {
        if (!addresses) return fail(std::move(addresses.error().message));
        addresses_ = std::move(*addresses);
        connect("the receiver's name has no address");
      });
}

// To the next address, if there is one left.
void HttpSender::Attempt::connect(std::string last_error) {
  while (next_address_ < addresses_.size()) {
    auto socket = net::start_connect(addresses_[next_address_++]);
    if (socket) return exchange(std::make_unique<HttpConnection>(sender_.loop_, std::move(*socket)));
    last_error = std::move(socket.error().message);
  }
  fail(std::move(last_error));
}

void HttpSender::Attempt::exchange(std::unique_ptr<HttpConnection> connection) {
  connection_ = std::move(connection);
  connection_->exchange(make_request(delivery_, url_), delivery_.method,
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
  if (reply.reusable) sender_.keep_idle(url_.receiver(), std::move(connection_));
  sender_.finish(*this, {.status = reply.status,
                         .retry_after = parse_retry_after(reply.retry_after, sender_.loop_.wall()),
                         .error = {}});
}

void HttpSender::Attempt::timed_out() {
  if (const auto reply = connection_ ? connection_->reply_so_far() : std::nullopt) {
    return replied({.status = reply->status, .retry_after = reply->retry_after, .reusable = false});
  }
  if (!connection_) return fail("timed out looking up the receiver's name");
  fail(connection_->connected() ? "timed out waiting for the response" : "timed out connecting");
}

HttpSender::Done HttpSender::Attempt::stop() {
  deadline_->cancel();
  lookup_.reset();
  connection_.reset();
  return std::move(done_);
}

HttpSender::HttpSender(net::EventLoop& loop)
    : loop_(loop), resolver_(loop), idle_timer_(loop.make_timer([this] { drop_stale(); })) {}

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

std::unique_ptr<HttpConnection> HttpSender::take_idle(const std::string& receiver) {
  // The one used last is the least likely to be closed.
  for (auto idle = idle_.rbegin(); idle != idle_.rend(); ++idle) {
    if (idle->receiver != receiver || !idle->connection->usable()) continue;
    auto connection = std::move(idle->connection);
    idle_.erase(std::next(idle).base());
    return connection;
  }
  return nullptr;
}

void HttpSender::keep_idle(const std::string& receiver, std::unique_ptr<HttpConnection> connection) {
  HttpConnection* idle = connection.get();
  idle->watch([this, idle] { drop_idle(idle); });
  idle_.push_back({.receiver = receiver, .connection = std::move(connection), .since = loop_.now()});
  if (idle_.size() > max_idle) idle_.pop_front();
  idle_timer_->set(idle_.front().since + max_idle_time);
}

void HttpSender::drop_idle(const HttpConnection* connection) {
  std::erase_if(idle_, [&](const Idle& idle) { return idle.connection.get() == connection; });
}

void HttpSender::drop_stale() {
  while (!idle_.empty() && idle_.front().since + max_idle_time <= loop_.now()) idle_.pop_front();
  if (!idle_.empty()) idle_timer_->set(idle_.front().since + max_idle_time);
}

}  // namespace hangup::cleanup
