// A scripted HTTP/1 client on a raw socket: sends any bytes, reads responses strictly, leaves in every way
// there is.
#pragma once

#include "support/http_message.h"
#include "support/socket.h"

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hangup::test {

// A response as a client sees it: `complete` is false when it was cut off.
struct Response : Message {
  std::vector<Message> interim;  // the 1xx before it
};

// Every wait is bounded by `patience` and throws TimedOut. Not thread-safe.
class Client {
 public:
  explicit Client(const SocketAddress& server, const BufferSizes& buffers = {});
  // Connected already.
  explicit Client(Fd socket) : socket_(std::move(socket)) {}

  void send(std::string_view bytes);
  // Sends the bytes again and again, until the server has taken nothing for a while or `most` bytes. Returns
  // how many it took.
  std::uint64_t send_until_blocked(std::string_view bytes,
                                   std::uint64_t most = std::numeric_limits<std::uint64_t>::max());
  // False when the server has closed before it took all.
  bool try_send(std::string_view bytes);

  // One response: read_head() starts it, read_body() goes on, finish() reads the rest of it. What these
  // return grows with the calls that follow. `method` is that of the request it answers. The end of the
  // connection before the head throws.
  const Response& read_head(std::string_view method = "GET");
  const Response& read_body(std::uint64_t at_least);
  Response finish();
  Response read_response(std::string_view method = "GET") {
    read_head(method);
    return finish();
  }
  Response exchange(std::string_view request, std::string_view method = "GET") {
    send(request);
    return read_response(method);
  }
  // The next interim (1xx) response.
  Message read_interim();

  // What comes as it is, up to and with the end of `mark`.
  std::string read_raw_until(std::string_view mark);
  // Everything up to the server's close, which must come; how it closed is in closed().
  std::string read_to_close();
  Closed wait_for_close() {
    read_to_close();
    return *closed_;
  }
  const std::optional<Closed>& closed() const { return closed_; }

  void fin();                        // shutdown(SHUT_WR): still reads
  void close() { socket_.close(); }  // FIN, or RST if something came that was not read
  void reset() { close_with_reset(socket_); }
  SocketAddress local() const { return local_address(socket_); }

 private:
  bool wait(short events, std::chrono::milliseconds bound) const;
  bool receive();
  void read_while(const std::string& what, bool (*wanted)(const Message&, std::uint64_t),
                  std::uint64_t argument);

  Fd socket_;
  std::string unread_;
  std::optional<MessageReader> reader_;
  Response response_;
  std::optional<Closed> closed_;
};

}  // namespace hangup::test
