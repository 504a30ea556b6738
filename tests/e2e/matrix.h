// What the matrix of disconnects is made of: where an exchange stands, what the client has sent behind its
// request, how it leaves, and over what it is connected. A row brings clients to that place, one after the
// other, and they leave.
#pragma once

#include "e2e/tls_fixture.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace hangup::test {

enum class Place : std::uint8_t {
  queued,
  queued_upload,
  connecting,
  uploading,
  awaiting_continue,
  awaiting_head,
  idle_stream,
  unread_stream,
  mid_transfer,
  tunnel,
};
enum class Way : std::uint8_t { closes, sends_fin, resets, says_goodbye, ends_without_goodbye };
enum class Behind : std::uint8_t { nothing, one_get, many_gets, junk_64_kib, junk_1_mib, junk_16_mib };
enum class Over : std::uint8_t { tcp, tls, unix_socket };

struct Row {
  Place place;
  Way way;
  Behind behind;
  Over over;
};

std::string name_of(Place place);
std::string name_of(Way way);
std::string name_of(Behind behind);
std::string name_of(Over over);

// The bytes of a kind: whole requests for /next, or what is none.
std::string pipelined(Behind behind);
inline constexpr std::size_t many_gets = 100;

// A client over either.
class AnyClient {
 public:
  explicit AnyClient(Client client) : client_(std::move(client)) {}
  explicit AnyClient(TlsClient client) : client_(std::move(client)) {}

  void send(std::string_view bytes);
  // What comes, up to the mark at least.
  std::string read_until(std::string_view mark);
  std::string read_to_end();
  void leave(Way way);
  // Sends FIN and goes on reading.
  void half_close() { std::get<Client>(client_).fin(); }

 private:
  std::variant<Client, TlsClient> client_;
};

class MatrixTest : public TlsEndToEnd {
 protected:
  // Starts hangup, and the upstream that brings clients for /work there; `on_disconnect` are members of the
  // route's.
  void open(Place place, Over over, const std::string& on_disconnect);
  // The n-th client there, from 1: when this returns, its exchange is in that place.
  AnyClient reach(std::size_t n);
  // Frees the only connection upstream, which others are queued for.
  void stop_holding();
  // So many exchanges for that path have ended.
  void wait_for_ends(std::size_t n, std::string_view path = "/work");
  // What was logged of /work; after hangup has drained.
  std::vector<Json> all_ends();
  bool begun() const;  // something of the request is sent upstream

  Place place_ = Place::awaiting_head;
  Over over_ = Over::tcp;
  std::size_t pieces_to_come_ = 1024;  // of 64 KiB, behind the middle of a transfer

 private:
  AnyClient connect_any(const BufferSizes& buffers = {}) const;
  void script();
  void wait_until_there(AnyClient& client, std::size_t n);

  TempDir dir_;
  SilentPort silent_;
  std::optional<AnyClient> holding_;
  std::optional<RequestRecord> held_;
};

}  // namespace hangup::test
