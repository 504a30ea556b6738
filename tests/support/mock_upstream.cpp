#include "support/mock_upstream.h"

#include "support/mock_upstream_impl.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace hangup::test {

MockUpstream::MockUpstream() : MockUpstream(Options{}) {}
MockUpstream::MockUpstream(const Options& options) : impl_(std::make_unique<Impl>(options)) {}

MockUpstream::~MockUpstream() {
  if (impl_->options.may_be_malformed) return;
  for (const ConnectionRecord& record : connections()) {
    if (!record.malformed.empty())
      ADD_FAILURE() << "the mock upstream received no HTTP: " << record.malformed;
  }
}

std::string MockUpstream::url() const {
  return (where().is_unix() ? "" : impl_->options.tls ? "https://" : "http://") + where().to_string();
}
std::string MockUpstream::authority() const {
  return where().to_string();
}
SocketAddress MockUpstream::where() const {
  return impl_->where;
}

void MockUpstream::on(std::string path, Script script) {
  on(std::move(path), [script = std::move(script)](const RequestRecord&) { return script; });
}

void MockUpstream::on(std::string path, Handler handler) {
  const std::lock_guard lock(impl_->mutex);
  impl_->handlers.insert_or_assign(std::move(path), std::move(handler));
}

void MockUpstream::otherwise(Script script) {
  otherwise([script = std::move(script)](const RequestRecord&) { return script; });
}

void MockUpstream::otherwise(Handler handler) {
  const std::lock_guard lock(impl_->mutex);
  impl_->otherwise = std::move(handler);
}

void MockUpstream::act(const RequestRecord& request, const Script& script) {
  {
    const std::lock_guard lock(impl_->mutex);
    MockConnection* connection = impl_->connections[request.connection].get();
    if (connection == nullptr) return;
    for (const Script::Step& step : script.steps()) connection->steps.push_back({request.index, step});
    impl_->to_pump.insert(request.connection);
  }
  impl_->wake();
}

void MockUpstream::open(const std::string& gate) {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->open_gates.insert(gate);
    for (const auto& connection : impl_->connections) {
      if (connection) impl_->to_pump.insert(connection->index);
    }
  }
  impl_->wake();
}

RequestRecord MockUpstream::wait_for_request(std::string_view path, std::size_t n) const {
  return *impl_->wait("request " + std::to_string(n) + " for " + std::string(path),
                      [&] { return impl_->nth_request(path, n, [](const Message&) { return true; }); });
}

RequestRecord MockUpstream::wait_for_whole_request(std::string_view path, std::size_t n) const {
  return *impl_->wait("the whole request " + std::to_string(n) + " for " + std::string(path), [&] {
    return impl_->nth_request(path, n, [](const Message& m) { return m.complete; });
  });
}

RequestRecord MockUpstream::wait_for_body(std::string_view path, std::uint64_t bytes, std::size_t n) const {
  return *impl_->wait(std::to_string(bytes) + " bytes of the body for " + std::string(path), [&] {
    return impl_->nth_request(path, n, [&](const Message& m) { return m.body_bytes >= bytes; });
  });
}

void MockUpstream::wait_for_requests(std::size_t n) const {
  impl_->wait(std::to_string(n) + " requests", [&] { return impl_->requests.size() >= n; });
}

ConnectionRecord MockUpstream::wait_for_close(const RequestRecord& request) const {
  return *impl_->wait("the close of the connection of " + request.message.target, [&] {
    const ConnectionRecord& record = impl_->connection_records[request.connection];
    return record.closed ? std::optional(record) : std::nullopt;
  });
}

void MockUpstream::wait_for_closes(std::size_t n) const {
  impl_->wait(std::to_string(n) + " closed connections", [&] { return impl_->closes >= n; });
}

std::vector<RequestRecord> MockUpstream::requests() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<RequestRecord> all;
  for (const RequestEntry& entry : impl_->requests) all.push_back(entry.snapshot());
  return all;
}

std::vector<ConnectionRecord> MockUpstream::connections() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->connection_records;
}

std::size_t MockUpstream::request_count() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->requests.size();
}

std::size_t MockUpstream::close_count() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->closes;
}

std::size_t MockUpstream::open_connections() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->open;
}

MockUpstream::Handler in_turn(std::vector<Script> scripts) {
  return [scripts = std::move(scripts), next = std::size_t{0}](const RequestRecord&) mutable {
    return scripts[std::min(next++, scripts.size() - 1)];
  };
}

}  // namespace hangup::test
