#include "support/receiver.h"

namespace hangup::test {

std::vector<Call> Receiver::calls() const {
  std::vector<Call> calls;
  for (RequestRecord& request : server_.requests()) {
    if (!request.complete_at) continue;
    auto body = nlohmann::json::parse(request.message.body, nullptr, false);
    if (body.is_discarded()) body = nullptr;
    calls.push_back({std::move(request.message), std::move(body), *request.complete_at});
  }
  return calls;
}

std::vector<Call> Receiver::wait_for_calls(std::size_t n) const {
  server_.wait_for_requests(n);
  eventually(std::to_string(n) + " whole webhook calls", [&] { return calls().size() >= n; });
  return calls();
}

}  // namespace hangup::test
