#include <algorithm>
#include <array>
#include <utility>

#include <hangup/net/event_loop.h>
#include <hangup/net/send_queue.h>

namespace hangup::net {
namespace {

constexpr std::size_t most_held_back = 4 * 1024;

}  // namespace

std::string& SendQueue::tail() {
  if (bytes_.capacity() == std::string().capacity() && bytes_.empty()) bytes_ = loop_.take_buffer();
  return bytes_;
}

IoResult SendQueue::write(Transport& transport, std::string_view more, std::string_view suffix) {
  const std::size_t queued = size();
  std::array<iovec, 3> pieces;
  std::size_t count = 0;
  for (const std::string_view bytes : {std::string_view(bytes_).substr(sent_), more, suffix}) {
    if (!bytes.empty()) pieces[count++] = {const_cast<char*>(bytes.data()), bytes.size()};
  }
  if (count == 0) return {};
  const IoResult result = transport.write(std::span(pieces).first(count));
  if (result.status == IoResult::Status::failed) return result;

  std::size_t taken = result.bytes;
  const auto keep_rest = [&](std::string_view bytes) {
    const std::size_t of_these = std::min(taken, bytes.size());
    taken -= of_these;
    if (of_these < bytes.size()) tail().append(bytes.substr(of_these));
  };
  took(std::min(taken, queued));
  taken -= std::min(taken, queued);
  keep_rest(more);
  keep_rest(suffix);
  return {empty() ? IoResult::Status::ok : IoResult::Status::would_block, result.bytes, 0};
}

bool SendQueue::hold_back(EventLoop::Sender& sender, std::string_view more, std::string_view suffix) {
  const bool full = !empty() && !sender.is_due();
  const std::size_t all = size() + more.size() + suffix.size();
  if (full || all == 0 || all > most_held_back) return false;
  tail().append(more).append(suffix);
  loop_.send_soon(sender);
  return true;
}

void SendQueue::took(std::size_t count) {
  sent_ += count;
  if (sent_ == bytes_.size()) clear();
}

void SendQueue::clear() {
  sent_ = 0;
  if (bytes_.capacity() > std::string().capacity()) loop_.give_back(std::exchange(bytes_, {}));
  bytes_.clear();
}

}  // namespace hangup::net
