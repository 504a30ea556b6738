#include "admin/http_listener.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <list>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>
#include <vector>

#include <hangup/net/accepting.h>
#include <hangup/net/event_loop.h>
#include <hangup/net/socket.h>

namespace hangup::admin {

using Json = nlohmann::ordered_json;

namespace {

// Operators' tools send little; what sends more is lost here.
constexpr long most_head_bytes = 16 * 1024;
constexpr long most_body_bytes = 64 * 1024;
constexpr int idle_seconds = 10;
// The descriptors set aside for the process have room for these. When there are more, the one goes that has
// been silent longest: nobody keeps a probe out by holding connections.
constexpr std::size_t most_connections = 32;

constexpr std::array<std::pair<evhttp_cmd_type, std::string_view>, 9> methods = {
    {{EVHTTP_REQ_GET, "GET"},
     {EVHTTP_REQ_POST, "POST"},
     {EVHTTP_REQ_HEAD, "HEAD"},
     {EVHTTP_REQ_PUT, "PUT"},
     {EVHTTP_REQ_DELETE, "DELETE"},
     {EVHTTP_REQ_OPTIONS, "OPTIONS"},
     {EVHTTP_REQ_TRACE, "TRACE"},
     {EVHTTP_REQ_CONNECT, "CONNECT"},
     {EVHTTP_REQ_PATCH, "PATCH"}}};

std::string_view method_of(evhttp_request* request) {
  const evhttp_cmd_type command = evhttp_request_get_command(request);
  for (const auto& [known, name] : methods) {
    if (known == command) return name;
  }
  return {};
}

ev_uint16_t every_method() {
  unsigned all = 0;
  for (const auto& [known, name] : methods) all |= static_cast<unsigned>(known);
  return static_cast<ev_uint16_t>(all);
}

std::string path_of(evhttp_request* request) {
  const evhttp_uri* uri = evhttp_request_get_evhttp_uri(request);
  const char* path = uri == nullptr ? nullptr : evhttp_uri_get_path(uri);
  return path == nullptr ? std::string() : std::string(path);
}

Request read(evhttp_request* request) {
  Request read;
  const evhttp_uri* uri = evhttp_request_get_evhttp_uri(request);
  const char* query = uri == nullptr ? nullptr : evhttp_uri_get_query(uri);
  evkeyvalq values;
  if (query != nullptr && evhttp_parse_query_str(query, &values) == 0) {
    for (const evkeyval* each = values.tqh_first; each != nullptr; each = each->next.tqe_next)
      read.query.emplace(each->key, each->value);
    evhttp_clear_headers(&values);
  }
  evbuffer* body = evhttp_request_get_input_buffer(request);
  read.body.resize(evbuffer_get_length(body));
  evbuffer_remove(body, read.body.data(), read.body.size());
  return read;
}

void send(evhttp_request* request, const Answer& answer) {
  evkeyvalq* headers = evhttp_request_get_output_headers(request);
  const std::string type(answer.content_type);
  const std::string length = std::to_string(answer.body.size());
  evhttp_add_header(headers, "Content-Type", type.c_str());
  evhttp_add_header(headers, "Cache-Control", "no-store");
  evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
  evhttp_add_header(headers, "Content-Length", length.c_str());
  // To a HEAD, evhttp would give a body as well.
  if (evhttp_request_get_command(request) != EVHTTP_REQ_HEAD)
    evbuffer_add(evhttp_request_get_output_buffer(request), answer.body.data(), answer.body.size());
  evhttp_send_reply(request, answer.status, nullptr, nullptr);
}

}  // namespace

class HttpListener::Impl {
 private:
  class LoopDesk final : public Desk {
   public:
    explicit LoopDesk(net::EventLoop& loop) : loop_(&loop) {}
    void post(std::move_only_function<void()> work) override {
      const std::scoped_lock lock(mutex_);
      if (loop_ != nullptr) loop_->post(std::move(work));
    }
    void close() {
      const std::scoped_lock lock(mutex_);
      loop_ = nullptr;
    }

   private:
    std::mutex mutex_;
    net::EventLoop* loop_;  // guarded by mutex_; null once it has gone
  };

 public:
  Impl(net::Fd listening, SocketAddress address)
      : address_(std::move(address)),
        desk_(std::make_shared<LoopDesk>(loop_)),
        http_(evhttp_new(loop_.base())) {
    evconnlistener* listener =
        evconnlistener_new(loop_.base(), nullptr, nullptr, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0,
                           listening.release());
    if (http_ == nullptr || listener == nullptr || evhttp_bind_listener(http_, listener) == nullptr)
      std::abort();
    accepting_ = std::make_unique<net::Accepting>(loop_, listener);
    evhttp_set_allowed_methods(http_, every_method());  // evhttp's own refusal says nothing
    evhttp_set_max_headers_size(http_, most_head_bytes);
    evhttp_set_max_body_size(http_, most_body_bytes);
    evhttp_set_timeout(http_, idle_seconds);
    evhttp_set_default_content_type(http_, nullptr);
    evhttp_set_bevcb(http_, &Impl::on_new_connection, this);
    evhttp_set_gencb(
        http_, [](evhttp_request* request, void* self) { static_cast<Impl*>(self)->on_request(request); },
        this);
  }

  ~Impl() {
    stop();
    // Those whose client has gone are nobody's but ours.
    for (const auto& [id, request] : std::exchange(asked_, {})) send(request, {.status = 503, .body = {}});
    for (const Newcomer* newcomer : newcomers_) {
      event_free(newcomer->soon);
      bufferevent_decref(newcomer->buffer);
      delete newcomer;
    }
    accepting_.reset();
    evhttp_free(http_);
  }

  void start(std::map<std::string, Page, std::less<>> pages) {
    pages_ = std::move(pages);
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "hangup-admin");
      loop_.run();
    });
  }

  void stop() {
    desk_->close();
    if (!thread_.joinable()) return;
    loop_.stop();
    thread_.join();
  }

  const SocketAddress& address() const { return address_; }
  Scheduler& scheduler() { return loop_; }
  std::shared_ptr<Desk> desk() { return desk_; }

 private:
  // A connection between evhttp's accept and the moment that evhttp can be asked which it is.
  struct Newcomer {
    Impl* self;
    bufferevent* buffer;
    event* soon;
  };

  // evhttp tells when a connection closes, but only of one that it has made already.
  static bufferevent* on_new_connection(event_base* base, void* self) {
    auto* impl = static_cast<Impl*>(self);
    bufferevent* buffer = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    auto* newcomer = new Newcomer{impl, buffer, nullptr};
    newcomer->soon = event_new(base, -1, 0, &Impl::on_made, newcomer);
    if (buffer == nullptr || newcomer->soon == nullptr) std::abort();
    bufferevent_incref(buffer);
    impl->newcomers_.push_back(newcomer);
    event_active(newcomer->soon, 0, 0);
    return buffer;
  }
  static void on_made(int, short, void* argument) {
    const std::unique_ptr<Newcomer> newcomer(static_cast<Newcomer*>(argument));
    Impl* self = newcomer->self;
    std::erase(self->newcomers_, newcomer.get());
    event_free(newcomer->soon);
    void* connection = nullptr;
    bufferevent_getcb(newcomer->buffer, nullptr, nullptr, nullptr, &connection);
    if (connection != nullptr) self->add(static_cast<evhttp_connection*>(connection));  // else gone already
    bufferevent_decref(newcomer->buffer);
  }
  void add(evhttp_connection* connection) {
    connections_.push_back(connection);
    evhttp_connection_set_closecb(
        connection,
        [](evhttp_connection* closed, void* impl) { static_cast<Impl*>(impl)->connections_.remove(closed); },
        this);
    if (connections_.size() > most_connections) close_one();
  }
  // The one that has been silent longest, if there is one that waits for nothing of ours.
  void close_one() {
    const auto is_asking = [this](evhttp_connection* connection) {
      return std::ranges::any_of(asked_, [&](const auto& asked) {
        return evhttp_request_get_connection(asked.second) == connection;
      });
    };
    const auto idle = std::ranges::find_if_not(connections_, is_asking);
    evhttp_connection* closing = idle == connections_.end() ? connections_.front() : *idle;
    std::erase_if(asked_,
                  [&](const auto& asked) { return evhttp_request_get_connection(asked.second) == closing; });
    evhttp_connection_free(closing);  // with its request, and by its callback it leaves the list
  }

  void on_request(evhttp_request* request) {
    const auto self = std::ranges::find(connections_, evhttp_request_get_connection(request));
    if (self != connections_.end()) connections_.splice(connections_.end(), connections_, self);
    const auto page = pages_.find(path_of(request));
    if (page == pages_.end()) return send(request, not_found());
    const std::string_view method = method_of(request);
    const auto handler = page->second.find(method == "HEAD" ? "GET" : method);
    if (handler == page->second.end()) return refuse_method(request, page->second);
    // A page of another site may make a browser send this; it must not steer hangup.
    evkeyvalq* headers = evhttp_request_get_input_headers(request);
    if (handler->first != "GET" && evhttp_find_header(headers, "Origin") != nullptr) {
      return send(
          request,
          {.status = 403, .body = R"({"error":"a browser's page may look, but change nothing: use curl"})"});
    }
    const std::uint64_t id = ++last_id_;
    asked_.emplace(id, request);
    handler->second(read(request), [this, id, desk = desk_](Answer answer) {
      desk->post([this, id, answer = std::move(answer)] {
        if (const auto asked = asked_.extract(id); !asked.empty()) send(asked.mapped(), answer);
      });
    });
  }

  Answer not_found() const {
    Json known = Json::array();
    for (const auto& [path, page] : pages_) known.push_back(path);
    return {.status = 404,
            .body = Json{{"error", "there is no such page"}, {"pages", std::move(known)}}.dump() + '\n'};
  }

  static void refuse_method(evhttp_request* request, const Page& page) {
    std::string allowed;
    for (const auto& [method, handler] : page) {
      allowed.append(allowed.empty() ? "" : ", ").append(method);
      if (method == "GET") allowed += ", HEAD";
    }
    evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", allowed.c_str());
    send(request, {.status = 405, .body = Json{{"error", "this page takes " + allowed}}.dump() + '\n'});
  }

  const SocketAddress address_;
  net::EventLoop loop_;
  std::shared_ptr<LoopDesk> desk_;
  std::map<std::string, Page, std::less<>> pages_;
  std::map<std::uint64_t, evhttp_request*> asked_;  // and not answered yet
  std::uint64_t last_id_ = 0;
  std::list<evhttp_connection*> connections_;  // the one that has been silent longest first
  std::vector<Newcomer*> newcomers_;
  evhttp* http_;
  std::unique_ptr<net::Accepting> accepting_;
  std::thread thread_;
};

HttpListener::HttpListener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpListener::~HttpListener() = default;

Result<std::unique_ptr<HttpListener>> HttpListener::open(const SocketAddress& address) {
  auto socket = net::listen_on(address, {.backlog = 16, .reuse_port = false});
  if (!socket) return std::unexpected(std::move(socket.error()));
  auto bound = net::local_address(*socket);
  if (!bound) return std::unexpected(std::move(bound.error()));
  return std::unique_ptr<HttpListener>(
      new HttpListener(std::make_unique<Impl>(std::move(*socket), address.is_unix() ? address : *bound)));
}

const SocketAddress& HttpListener::address() const {
  return impl_->address();
}
Scheduler& HttpListener::scheduler() {
  return impl_->scheduler();
}
std::shared_ptr<Desk> HttpListener::desk() {
  return impl_->desk();
}
void HttpListener::start(std::map<std::string, Page, std::less<>> pages) {
  impl_->start(std::move(pages));
}
void HttpListener::stop() {
  impl_->stop();
}

}  // namespace hangup::admin
