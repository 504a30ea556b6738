#include "app/demo/thread_server.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include <hangup/net/socket.h>

namespace hangup::app::demo {

Result<std::unique_ptr<ThreadServer>> ThreadServer::start(Handler handler) {
  auto listener = net::listen_on(*SocketAddress::parse("127.0.0.1:0"), {});
  if (!listener) return std::unexpected(listener.error());
  auto address = net::local_address(*listener);
  if (!address) return std::unexpected(address.error());
  return std::unique_ptr<ThreadServer>(new ThreadServer(*std::move(listener), *address, std::move(handler)));
}

ThreadServer::ThreadServer(net::Fd listener, SocketAddress address, Handler handler)
    : listener_(std::move(listener)),
      address_(address),
      handler_(std::move(handler)),
      acceptor_([this] { accept_connections(); }) {}

ThreadServer::~ThreadServer() {
  stop_.raise();
  acceptor_.join();  // first: it adds to the connections, whose threads are joined as they are destroyed
}

void ThreadServer::accept_connections() {
  std::array<pollfd, 2> fds{pollfd{listener_.get(), POLLIN, 0}, pollfd{stop_.fd(), POLLIN, 0}};
  while (::poll(fds.data(), fds.size(), -1) >= 0 || errno == EINTR) {
    if (fds[1].revents != 0) return;
    connections_.remove_if([](const Connection& connection) { return connection.done->load(); });
    net::Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) continue;
    auto done = std::make_unique<std::atomic<bool>>(false);
    std::atomic<bool>* const flag = done.get();
    connections_.push_back(
        {std::move(done), std::jthread([this, flag, peer = Peer(std::move(socket), stop_)]() mutable {
           handler_(peer);
           peer.close();
           flag->store(true);
         })});
  }
}

}  // namespace hangup::app::demo
