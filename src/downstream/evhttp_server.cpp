#include "downstream/evhttp_server.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <poll.h>

#include <cstdlib>
#include <string_view>
#include <utility>

#include <hangup/net/socket.h>

namespace hangup::downstream {

static_assert(
    LIBEVENT_VERSION_NUMBER == 0x02010c00,
    "evhttp_request's fields are used, which may change: check the take-over with another libevent");

namespace {

// What evhttp reads instead of the client's bytes. It must not say `Connection: close`: closing is ours.
constexpr std::string_view ticket = "GET / HTTP/1.1\r\n\r\n";

// As accept() told it: a client that has reset its connection by now has no address any more.
SocketAddress accepted_from(evhttp_connection* connection) {
  const sockaddr* address = evhttp_connection_get_addr(connection);
  if (address == nullptr) return {};
  return {address, address->sa_family == AF_INET    ? socklen_t{sizeof(sockaddr_in)}
                   : address->sa_family == AF_INET6 ? socklen_t{sizeof(sockaddr_in6)}
                                                    : socklen_t{sizeof(sa_family_t)}};
}

}  // namespace

EvhttpSeat::~EvhttpSeat() {
  evhttp_connection_free(connection_);
}

void EvhttpSeat::announce(std::function<void()> dispatched) {
  dispatched_ = std::move(dispatched);
  server_.announcing_ = this;
  evbuffer* input = bufferevent_get_input(buffer_);
  evbuffer_unfreeze(input, 0);
  evbuffer_add(input, ticket.data(), ticket.size());
  evbuffer_freeze(input, 0);
  bufferevent_trigger(buffer_, EV_READ, BEV_TRIG_IGNORE_WATERMARKS);
}

void EvhttpSeat::complete() {
  evhttp_request* request = std::exchange(request_, nullptr);
  request->chunked = 0;
  evhttp_send_reply_end(request);  // with nothing in its output, evhttp completes and frees it now
}

// A connection between evhttp's accept and our taking it over, in the same turn of the loop.
struct EvhttpServer::Adoption {
  EvhttpServer* server;
  ConnectionPlace place;
  bufferevent* buffer;
  event* soon;
  Adoption* next;
};

EvhttpServer::EvhttpServer(net::EventLoop& loop, net::Fd listening, Host& host)
    : host_(host), http_(evhttp_new(loop.base())) {
  if (http_ == nullptr) std::abort();
  evhttp_set_bevcb(http_, &EvhttpServer::on_new_buffer, this);
  evhttp_set_gencb(http_, &EvhttpServer::on_request, this);
  evconnlistener* listener = evconnlistener_new(
      loop.base(), nullptr, nullptr, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, listening.release());
  bound_ = listener != nullptr ? evhttp_bind_listener(http_, listener) : nullptr;
  if (bound_ == nullptr) std::abort();
  accepting_.emplace(loop, listener, [this](int error) { host_.on_accept_error(error); });
}

EvhttpServer::~EvhttpServer() {
  while (adoptions_ != nullptr) {
    Adoption* adoption = std::exchange(adoptions_, adoptions_->next);
    event_free(adoption->soon);
    bufferevent_decref(adoption->buffer);
    delete adoption;
  }
  accepting_->stop();
  evhttp_free(http_);  // the listener with it
}

bool EvhttpServer::clients_wait() const {
  if (adoptions_ != nullptr) return true;
  pollfd listening{.fd = evhttp_bound_socket_get_fd(bound_), .events = POLLIN, .revents = 0};
  return ::poll(&listening, 1, 0) > 0;
}

void EvhttpServer::stop_accepting() {
  accepting_->stop();
  if (bound_ != nullptr) evhttp_del_accept_socket(http_, std::exchange(bound_, nullptr));
}

void EvhttpServer::set_dead_peer(Duration dead_peer) {
  if (bound_ != nullptr) net::set_dead_peer(evhttp_bound_socket_get_fd(bound_), dead_peer);
}

bufferevent* EvhttpServer::on_new_buffer(event_base* base, void* self) {
  auto* server = static_cast<EvhttpServer*>(self);
  bufferevent* buffer = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
  if (buffer == nullptr) std::abort();    // evhttp would go on with a buffer that we know nothing of
  bufferevent_disable(buffer, EV_WRITE);  // which evhttp does too, when it costs two system calls
  auto* adoption = new Adoption{server, server->host_.on_accepting(), buffer, nullptr, server->adoptions_};
  adoption->soon = event_new(base, -1, 0, &EvhttpServer::on_adopt, adoption);
  if (adoption->soon == nullptr) std::abort();
  server->adoptions_ = adoption;
  bufferevent_incref(buffer);  // until it is adopted
  event_active(adoption->soon, 0, 0);
  return buffer;
}

void EvhttpServer::on_adopt(int, short, void* argument) {
  const std::unique_ptr<Adoption> adoption(static_cast<Adoption*>(argument));
  EvhttpServer& server = *adoption->server;
  for (Adoption** link = &server.adoptions_; *link != nullptr; link = &(*link)->next) {
    if (*link != adoption.get()) continue;
    *link = adoption->next;
    break;
  }
  event_free(adoption->soon);

  bufferevent* buffer = adoption->buffer;
  void* callback_argument = nullptr;
  bufferevent_getcb(buffer, nullptr, nullptr, nullptr, &callback_argument);
  auto* connection = static_cast<evhttp_connection*>(callback_argument);
  if (connection != nullptr) {  // else evhttp has freed it already
    if (evhttp_connection_get_bufferevent(connection) != buffer) std::abort();
    net::Fd socket(bufferevent_getfd(buffer));
    bufferevent_setfd(buffer, -1);  // from here on evhttp's enabling and disabling reaches no socket
    server.host_.on_accepted(std::make_unique<EvhttpSeat>(server, connection, buffer), std::move(socket),
                             accepted_from(connection), std::move(adoption->place));
  }
  bufferevent_decref(buffer);
}

void EvhttpServer::on_request(evhttp_request* request, void* self) {
  auto* server = static_cast<EvhttpServer*>(self);
  EvhttpSeat* seat = std::exchange(server->announcing_, nullptr);
  if (seat == nullptr) std::abort();  // evhttp has read something that is not a ticket of ours
  seat->request_ = request;
  const auto dispatched = std::move(seat->dispatched_);  // the seat may go while it runs
  dispatched();
}

}  // namespace hangup::downstream
