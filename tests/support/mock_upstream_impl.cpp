#include "support/mock_upstream_impl.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <utility>

namespace hangup::test {
namespace {

constexpr std::uint64_t listener_tag = 0;
constexpr std::uint64_t wake_tag = 1;
constexpr std::uint64_t first_connection_tag = 2;

}  // namespace

MockUpstream::Impl::Impl(const Options& given)
    : options(given),
      listener(listen_on(address(options.address), 4096, options.buffers)),
      where(local_address(listener)),
      epoll(::epoll_create1(EPOLL_CLOEXEC)),
      waker(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      otherwise([](const RequestRecord&) { return respond(200, "ok"); }) {
  raise_descriptor_limit();
  for (const auto& [fd, tag] : {std::pair{listener.get(), listener_tag}, std::pair{waker.get(), wake_tag}}) {
    epoll_event event{.events = EPOLLIN, .data = {.u64 = tag}};
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) throw_errno("epoll_ctl");
  }
  thread = std::thread([this] { run(); });
}

MockUpstream::Impl::~Impl() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  wake();
  thread.join();
  if (where.is_unix()) ::unlink(where.to_string().substr(5).c_str());
}

void MockUpstream::Impl::wake() {
  const std::uint64_t one = 1;
  if (::write(waker.get(), &one, sizeof one) != sizeof one) throw_errno("eventfd");
}

void MockUpstream::Impl::run() {
  // OpenSSL writes to a socket that may be closed without asking for no signal.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  std::array<epoll_event, 512> events{};
  for (;;) {
    const int count = ::epoll_wait(epoll.get(), events.data(), static_cast<int>(events.size()), -1);
    const std::lock_guard lock(mutex);
    if (stopping) return;
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.u64 == listener_tag) {
        accept_all();
      } else if (event.data.u64 == wake_tag) {
        std::uint64_t ignored = 0;
        [[maybe_unused]] const ssize_t size = ::read(waker.get(), &ignored, sizeof ignored);
      } else {
        on_event(static_cast<std::size_t>(event.data.u64 - first_connection_tag), event.events);
      }
    }
    for (const std::size_t index : std::exchange(to_pump, {})) {
      if (connections[index]) pump(*connections[index]);
    }
    changed.notify_all();
  }
}

void MockUpstream::Impl::accept_all() {
  for (;;) {
    Fd socket(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) {
      if (errno == EAGAIN || errno == ECONNABORTED) return;
      throw_errno("accept");
    }
    auto connection = std::make_unique<MockConnection>();
    connection->socket = std::move(socket);
    if (options.tls) connection->tls.emplace(options.tls.get(), connection->socket.get());
    connection->index = connections.size();
    ConnectionRecord& record = connection_records.emplace_back();
    record.index = connection->index;
    record.accepted_at = std::chrono::steady_clock::now();
    watch(*connection, false);
    connections.push_back(std::move(connection));
    ++open;
  }
}

void MockUpstream::Impl::watch(MockConnection& connection, bool wants_write) {
  std::uint32_t mask = EPOLLRDHUP;
  if (connection.reading) mask |= EPOLLIN;
  if (wants_write) mask |= EPOLLOUT;
  if (mask == connection.watched) return;
  epoll_event event{.events = mask, .data = {.u64 = connection.index + first_connection_tag}};
  const int operation = connection.watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (::epoll_ctl(epoll.get(), operation, connection.socket.get(), &event) != 0) throw_errno("epoll_ctl");
  connection.watched = mask;
}

void MockUpstream::Impl::on_event(std::size_t index, std::uint32_t events) {
  if (!connections[index]) return;
  MockConnection& connection = *connections[index];
  if (connection.reading) {
    receive(connection);
  } else if ((events & (EPOLLERR | EPOLLHUP)) != 0 && take_error(connection.socket) != 0) {
    peer_closed(connection, Closed::reset);
  } else if ((events & (EPOLLRDHUP | EPOLLHUP)) != 0) {
    peer_closed(connection, Closed::fin);
  }
  if (connections[index]) to_pump.insert(index);
}

// A bounded number of reads a turn, so that one connection does not starve the others.
void MockUpstream::Impl::receive(MockConnection& connection) {
  for (int i = 0; i < 16; ++i) {
    const bool by_tls = connection.tls && !connection.tls_failed;
    const ssize_t size = by_tls ? connection.tls->receive(buffer)
                                : ::recv(connection.socket.get(), buffer.data(), buffer.size(), 0);
    const int error = errno;
    ConnectionRecord& record = connection_records[connection.index];
    if (connection.tls && connection.tls->established() && !std::exchange(record.established, true)) {
      record.resumed = connection.tls->resumed();
      record.server_name = connection.tls->server_name();
      record.client = connection.tls->client();
    }
    if (size < 0 && error == EAGAIN) return;
    if (size < 0 && error == EPROTO) {
      record.tls_failure = connection.tls->failure();
      connection.tls_failed = true;
      ::shutdown(connection.socket.get(), SHUT_WR);
      continue;
    }
    if (size <= 0) return peer_closed(connection, size == 0 ? Closed::fin : Closed::reset);
    if (connection.tls_failed) continue;
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(size));
    std::string& raw = record.raw;
    raw += bytes.substr(0, options.keep - std::min(options.keep, raw.size()));
    feed(connection, bytes);
  }
}

void MockUpstream::Impl::feed(MockConnection& connection, std::string_view bytes) {
  ConnectionRecord& record = connection_records[connection.index];
  while (!bytes.empty() && record.malformed.empty()) {
    if (!connection.reader) connection.reader = MessageReader::for_request(options.keep);
    try {
      bytes.remove_prefix(connection.reader->feed(bytes));
    } catch (const Malformed& error) {
      record.malformed = error.what();
      return;
    }
    const Message& message = *connection.reader->message();
    if (message.head_complete && !connection.request) announce(connection);
    if (message.complete) {
      requests[*connection.request].record.complete_at = std::chrono::steady_clock::now();
      connection.request.reset();
      connection.reader.reset();
    }
  }
}

void MockUpstream::Impl::announce(MockConnection& connection) {
  RequestEntry entry;
  entry.record.index = requests.size();
  entry.record.connection = connection.index;
  entry.record.nth = connection_records[connection.index].requests++;
  entry.record.head_at = std::chrono::steady_clock::now();
  entry.message = connection.reader->message();
  connection.request = entry.record.index;

  const auto found = handlers.find(entry.message->path());
  const Script script = (found == handlers.end() ? otherwise : found->second)(entry.snapshot());
  for (const Script::Step& step : script.steps()) connection.steps.push_back({entry.record.index, step});
  requests.push_back(std::move(entry));
}

void MockUpstream::Impl::pump(MockConnection& connection) {
  unsigned budget = 64;  // writes a turn, for the same reason as in receive()
  while (!connection.steps.empty()) {
    PendingStep& pending = connection.steps.front();
    const Progress progress = pending.step.kind == Script::Step::Kind::send
                                  ? send(connection, pending.step, budget)
                                  : take(connection, pending);
    if (progress == Progress::ended) return;
    if (progress != Progress::done) return watch(connection, progress == Progress::blocked);
    connection.steps.pop_front();
  }
  watch(connection, false);
}

MockUpstream::Impl::Progress MockUpstream::Impl::take(MockConnection& connection,
                                                      const PendingStep& pending) {
  using enum Script::Step::Kind;
  switch (pending.step.kind) {
    case after_body:
      return requests[pending.request].record.complete_at ? Progress::done : Progress::waits;
    case gate:
      return open_gates.contains(pending.step.text) ? Progress::done : Progress::waits;
    case stop_reading:
    case resume_reading:
      connection.reading = pending.step.kind == resume_reading;
      return Progress::done;
    case fin:
      if (connection.tls) connection.tls->send_close_notify();
      ::shutdown(connection.socket.get(), SHUT_WR);
      return Progress::done;
    case update_keys:
      connection.tls->update_keys();
      return Progress::done;
    case close:
    case cut:
    case reset:
      end(connection, pending.step.kind);
      return Progress::ended;
    case Script::Step::Kind::send:
      break;
  }
  throw std::logic_error("a step that is not taken here");
}

MockUpstream::Impl::Progress MockUpstream::Impl::send(MockConnection& connection, Script::Step& step,
                                                      unsigned& budget) {
  for (; step.times != 0; --step.times) {
    while (connection.sent_of_step < step.text.size()) {
      if (budget == 0) return Progress::blocked;
      --budget;
      const std::string_view rest = std::string_view(step.text).substr(connection.sent_of_step);
      const ssize_t size = connection.tls
                               ? connection.tls->send(rest.substr(0, 1 << 20))
                               : ::send(connection.socket.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (size < 0 && errno == EAGAIN) return Progress::blocked;
      if (size < 0) {
        peer_closed(connection, Closed::reset);
        return Progress::ended;
      }
      connection.sent_of_step += static_cast<std::size_t>(size);
      connection_records[connection.index].sent += static_cast<std::uint64_t>(size);
    }
    connection.sent_of_step = 0;
  }
  return Progress::done;
}

void MockUpstream::Impl::end(MockConnection& connection, Script::Step::Kind how) {
  connection_records[connection.index].ended_here = true;
  if (how == Script::Step::Kind::reset) close_with_reset(connection.socket);
  if (how == Script::Step::Kind::close && connection.tls) connection.tls->send_close_notify();
  drop(connection);
}

void MockUpstream::Impl::peer_closed(MockConnection& connection, Closed how) {
  ConnectionRecord& record = connection_records[connection.index];
  record.closed = how;
  record.closed_at = std::chrono::steady_clock::now();
  ++closes;
  drop(connection);
}

void MockUpstream::Impl::drop(MockConnection& connection) {
  --open;
  connections[connection.index].reset();
}

std::string MockUpstream::Impl::summary(const std::string& what) const {
  std::string text = what + "; the mock upstream has seen " + std::to_string(connection_records.size()) +
                     " connections, " + std::to_string(closes) + " of them closed by the peer, and " +
                     std::to_string(requests.size()) + " requests:";
  for (std::size_t i = 0; i < std::min<std::size_t>(requests.size(), 10); ++i) {
    const Message& message = *requests[i].message;
    text +=
        ' ' + message.method + ' ' + message.target + " (" + std::to_string(message.body_bytes) + " bytes)";
  }
  return text;
}

std::optional<RequestRecord> MockUpstream::Impl::nth_request(
    std::string_view path, std::size_t n, const std::function<bool(const Message&)>& suits) const {
  for (const RequestEntry& entry : requests) {
    if (entry.message->path() == path && --n == 0) {
      if (suits(*entry.message)) return entry.snapshot();
      return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace hangup::test
