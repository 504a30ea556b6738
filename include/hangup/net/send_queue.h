// Bytes that a socket has not taken yet. Empty, it holds no memory to speak of; its owner bounds it by
// stopping what feeds it. Threading: its loop's thread.
#pragma once

#include <string>
#include <string_view>

#include <hangup/net/event_loop.h>
#include <hangup/net/transport.h>

namespace hangup::net {

class SendQueue {
 public:
  explicit SendQueue(EventLoop& loop) : loop_(loop) {}
  std::size_t size() const { return bytes_.size() - sent_; }
  bool empty() const { return size() == 0; }
  void append(std::string_view bytes) { tail().append(bytes); }
  // To append to, by functions that write to a string.
  std::string& tail();

  // Hands what is queued, then `more` and `suffix`, to the socket in one call; what it does not take is
  // queued. The result tells of that call: failed, or ok when nothing is left, or would_block.
  IoResult write(Transport& transport, std::string_view more = {}, std::string_view suffix = {});
  // Queues that too, for `sender` to write at the end of the turn of the loop, with what others send. False,
  // and nothing was done, when it is not little, which is not worth to be copied, or when the socket is full.
  bool hold_back(EventLoop::Sender& sender, std::string_view more, std::string_view suffix);
  void clear();

 private:
  void took(std::size_t count);

  EventLoop& loop_;
  std::string bytes_;
  std::size_t sent_ = 0;
};

}  // namespace hangup::net
