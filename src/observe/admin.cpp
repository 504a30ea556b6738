#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <pthread.h>

#include <cstdlib>
#include <string_view>
#include <thread>
#include <utility>

#include <hangup/net/accepting.h>
#include <hangup/net/event_loop.h>
#include <hangup/net/socket.h>
#include <hangup/observe/admin.h>

namespace hangup::observe {
namespace {

// Operators' tools send little; what sends more is lost here.
constexpr long most_head_bytes = 16 * 1024;
constexpr long most_body_bytes = 4 * 1024;
constexpr int idle_seconds = 10;

void answer(evhttp_request* request, const Admin::Answer& answer) {
  evkeyvalq* headers = evhttp_request_get_output_headers(request);
  evhttp_add_header(headers, "Content-Type", "application/json");
  evhttp_add_header(headers, "Cache-Control", "no-store");
  evbuffer* body = evhttp_request_get_output_buffer(request);
  evbuffer_add(body, answer.body.data(), answer.body.size());
  evbuffer_add(body, "\n", 1);
  evhttp_send_reply(request, answer.status, nullptr, nullptr);
}

}  // namespace

class Admin::Impl {
 public:
  Impl(net::Fd listening, SocketAddress address, std::map<std::string, Page> pages)
      : address_(std::move(address)), pages_(std::move(pages)), http_(evhttp_new(loop_.base())) {
    evconnlistener* listener =
        evconnlistener_new(loop_.base(), nullptr, nullptr, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0,
                           listening.release());
    if (http_ == nullptr || listener == nullptr || evhttp_bind_listener(http_, listener) == nullptr)
      std::abort();
    accepting_ = std::make_unique<net::Accepting>(loop_, listener);
    evhttp_set_allowed_methods(http_, EVHTTP_REQ_GET);  // evhttp would give a HEAD a body
    evhttp_set_max_headers_size(http_, most_head_bytes);
    evhttp_set_max_body_size(http_, most_body_bytes);
    evhttp_set_timeout(http_, idle_seconds);
    evhttp_set_default_content_type(http_, nullptr);
    evhttp_set_gencb(
        http_, [](evhttp_request* request, void* self) { static_cast<Impl*>(self)->on_request(request); },
        this);
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "hangup-admin");
      loop_.run();
    });
  }

  ~Impl() {
    loop_.stop();
    thread_.join();
    accepting_.reset();
    evhttp_free(http_);
  }

  const SocketAddress& address() const { return address_; }

 private:
  void on_request(evhttp_request* request) {
    std::string_view path = evhttp_request_get_uri(request);
    path = path.substr(0, path.find('?'));
    const auto page = pages_.find(std::string(path));
    if (page != pages_.end()) return answer(request, page->second());
    std::string known;
    for (const auto& [name, unused] : pages_)
      known.append(known.empty() ? "\"" : ", \"").append(name).append("\"");
    answer(request, {.status = 404, .body = R"({"error":"no such page","pages":[)" + known + "]}"});
  }

  const SocketAddress address_;
  const std::map<std::string, Page> pages_;
  net::EventLoop loop_;
  evhttp* http_;
  std::unique_ptr<net::Accepting> accepting_;
  std::thread thread_;
};

Admin::Admin(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Admin::~Admin() = default;

Result<std::unique_ptr<Admin>> Admin::open(const SocketAddress& address, std::map<std::string, Page> pages) {
  auto socket = net::listen_on(address, {.backlog = 16, .reuse_port = false});
  if (!socket) return std::unexpected(std::move(socket.error()));
  auto bound = net::local_address(*socket);
  if (!bound) return std::unexpected(std::move(bound.error()));
  return std::unique_ptr<Admin>(new Admin(
      std::make_unique<Impl>(std::move(*socket), address.is_unix() ? address : *bound, std::move(pages))));
}

const SocketAddress& Admin::address() const {
  return impl_->address();
}

}  // namespace hangup::observe
