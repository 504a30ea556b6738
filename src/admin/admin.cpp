#include "admin/pages.h"

#include <pthread.h>
#include <spdlog/logger.h>

#include <thread>
#include <utility>

namespace hangup::admin {

class Admin::Impl {
 public:
  Impl(std::unique_ptr<HttpListener> listener, Sources sources)
      : sources_(std::move(sources)),
        listener_(std::move(listener)),
        questions_(listener_->scheduler(), listener_->desk()),
        files_thread_([this] {
          pthread_setname_np(pthread_self(), "hangup-admin-io");
          files_.run();
        }) {
    const Office office{.sources = sources_, .questions = questions_, .files = files_};
    Pages pages;
    add_health_pages(pages, office);
    add_metrics_page(pages, office);
    add_exchanges_page(pages, office);
    add_outbox_pages(pages, office);
    add_config_page(pages, office);
    add_control_pages(pages, office);
    listener_->start(std::move(pages));
  }

  ~Impl() {
    listener_->stop();
    files_.stop();
    files_thread_.join();
  }

  const SocketAddress& address() const { return listener_->address(); }

 private:
  const Sources sources_;
  std::unique_ptr<HttpListener> listener_;
  Questions questions_;
  net::EventLoop files_;
  std::thread files_thread_;
};

Admin::Admin(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Admin::~Admin() = default;

Result<std::unique_ptr<Admin>> Admin::open(const SocketAddress& address, Sources sources) {
  auto listener = HttpListener::open(address);
  if (!listener) return std::unexpected(std::move(listener.error()));
  return std::unique_ptr<Admin>(new Admin(std::make_unique<Impl>(std::move(*listener), std::move(sources))));
}

const SocketAddress& Admin::address() const {
  return impl_->address();
}

}  // namespace hangup::admin
