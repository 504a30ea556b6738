#include "e2e/matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

namespace hangup::test {
namespace {

constexpr std::size_t big_body = 64U << 20;
constexpr std::string_view half_way = "HALF WAY";

// A connection to that port is being made, and its server does not answer.
bool is_connecting_to(std::uint16_t port) {
  std::ifstream table("/proc/net/tcp");
  const std::string remote = fmt::format("0100007F:{:04X}", port);
  const std::string syn_sent = "02";
  for (std::string line; std::getline(table, line);) {
    std::istringstream columns(line);
    std::string number, local, peer, state;
    if (columns >> number >> local >> peer >> state && peer == remote && state == syn_sent) return true;
  }
  return false;
}

std::string request_for(Place place) {
  const std::string upload = "POST /work HTTP/1.1\r\nHost: test.example\r\nContent-Length: 1000\r\n";
  switch (place) {
    case Place::queued_upload:
    case Place::uploading:
      return upload + "\r\n" + std::string(500, 'x');
    case Place::awaiting_continue:
      return upload + "Expect: 100-continue\r\n\r\n";
    case Place::tunnel:
      return get("/work", {{"Connection", "Upgrade"}, {"Upgrade", "websocket"}});
    default:
      return get("/work");
  }
}

}  // namespace

std::string name_of(Place place) {
  switch (place) {
    case Place::queued:
      return "WhileQueued";
    case Place::queued_upload:
      return "WhileQueuedWithHalfItsBodySent";
    case Place::connecting:
      return "WhileConnecting";
    case Place::uploading:
      return "WithHalfItsBodySent";
    case Place::awaiting_continue:
      return "WhileAwaiting100Continue";
    case Place::awaiting_head:
      return "WhileAwaitingTheHead";
    case Place::idle_stream:
      return "InAGapOfAStream";
    case Place::unread_stream:
      return "ReadingNothingOf64MiB";
    case Place::mid_transfer:
      return "InTheMiddleOfATransfer";
    case Place::tunnel:
      return "InATunnel";
  }
  return {};
}

std::string name_of(Way way) {
  switch (way) {
    case Way::closes:
      return "Closes";
    case Way::sends_fin:
      return "SendsFin";
    case Way::resets:
      return "Resets";
    case Way::says_goodbye:
      return "SaysGoodbye";
    case Way::ends_without_goodbye:
      return "EndsWithoutGoodbye";
  }
  return {};
}

std::string name_of(Behind behind) {
  switch (behind) {
    case Behind::nothing:
      return "";
    case Behind::one_get:
      return "BehindAGet";
    case Behind::many_gets:
      return "BehindManyGets";
    case Behind::junk_64_kib:
      return "Behind64KiB";
    case Behind::junk_1_mib:
      return "Behind1MiB";
    case Behind::junk_16_mib:
      return "Behind16MiB";
  }
  return {};
}

std::string name_of(Over over) {
  switch (over) {
    case Over::tcp:
      return "OverTcp";
    case Over::tls:
      return "OverTls";
    case Over::unix_socket:
      return "OverAUnixSocket";
  }
  return {};
}

std::string pipelined(Behind behind) {
  switch (behind) {
    case Behind::nothing:
      return {};
    case Behind::one_get:
      return get("/next");
    case Behind::many_gets: {
      std::string gets;
      for (std::size_t i = 0; i < many_gets; ++i) gets += get("/next");
      return gets;
    }
    case Behind::junk_64_kib:
      return std::string(64 << 10, 'j');
    case Behind::junk_1_mib:
      return std::string(1 << 20, 'j');
    case Behind::junk_16_mib:
      return std::string(16 << 20, 'j');
  }
  return {};
}

// ---- AnyClient

void AnyClient::send(std::string_view bytes) {
  // TLS would make records of it all before it sends any.
  constexpr std::size_t piece = 256 << 10;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
    std::visit([&](auto& client) { client.send(bytes.substr(0, piece)); }, client_);
  }
}

std::string AnyClient::read_until(std::string_view mark) {
  if (auto* plain = std::get_if<Client>(&client_)) return plain->read_raw_until(mark);
  return std::get<TlsClient>(client_).read_until(mark);
}

std::string AnyClient::read_to_end() {
  if (auto* plain = std::get_if<Client>(&client_)) return plain->read_to_close();
  return std::get<TlsClient>(client_).read_to_end();
}

void AnyClient::leave(Way way) {
  switch (way) {
    case Way::closes:
      return std::visit([](auto& client) { client.close(); }, client_);
    case Way::resets:
      return std::visit([](auto& client) { client.reset(); }, client_);
    case Way::says_goodbye:
      return std::get<TlsClient>(client_).say_goodbye();
    case Way::sends_fin:
    case Way::ends_without_goodbye:
      return std::visit([](auto& client) { client.fin(); }, client_);
  }
}

// ---- MatrixTest

void MatrixTest::script() {
  switch (place_) {
    case Place::idle_stream:
      return upstream.on("/work", Script()
                                      .send(chunked_head() + chunk("hello"))
                                      .gate("finish")
                                      .send(chunk("finished"))
                                      .send("0\r\n\r\n"));
    case Place::unread_stream:
      return upstream.on("/work", Script()
                                      .send(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                                                        big_body + std::string_view("finished").size()))
                                      .send_times(std::string(64 << 10, 's'), big_body >> 16)
                                      .send("finished"));
    case Place::mid_transfer:
      return upstream.on("/work", Script()
                                      .send(chunked_head())
                                      .send_times(chunk(std::string(64 << 10, 's')), 16)
                                      .send(chunk(half_way))
                                      .send_times(chunk(std::string(64 << 10, 's')), pieces_to_come_)
                                      .send(chunk("finished"))
                                      .send("0\r\n\r\n"));
    case Place::tunnel:
      return upstream.on("/work", Script().send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                                                "Upgrade: websocket\r\n\r\nhello"));
    default:
      return upstream.on("/work", Script().gate("finish").send(response(200, "finished")));
  }
}

void MatrixTest::open(Place place, Over over, const std::string& on_disconnect) {
  place_ = place;
  over_ = over;
  script();
  Yaml yaml = over == Over::tls ? tls_yaml() : Yaml{};
  if (over == Over::unix_socket) yaml.address = "unix:" + (dir_ / "in.sock").string();
  yaml.on_disconnect = "cleanup: stop" + (on_disconnect.empty() ? "" : ", " + on_disconnect);
  if (place == Place::connecting) {
    yaml.servers = '"' + silent_.url() + '"';
    yaml.upstream = "timeouts: {connect: 60s}";
  }
  const bool queues = place == Place::queued || place == Place::queued_upload;
  if (queues) {  // for the only connection, in a queue of one that turns others away
    yaml.workers = 1;
    yaml.upstream = "connections: {max: 1, queue: 1, queue_timeout: 60s}";
    upstream.on("/hold", never_answer());
  }
  start(yaml);
  if (!queues) return;
  AnyClient holder = connect_any();
  holder.send(get("/hold"));
  held_ = upstream.wait_for_request("/hold");
  holding_.emplace(std::move(holder));
}

AnyClient MatrixTest::connect_any(const BufferSizes& buffers) const {
  if (over_ == Over::tls) return AnyClient(connect_tls(trusting(), buffers));
  return AnyClient(connect(buffers));
}

AnyClient MatrixTest::reach(std::size_t n) {
  const bool reads = place_ != Place::unread_stream;
  AnyClient client = connect_any(reads ? BufferSizes{} : BufferSizes{.receive = 4096});
  client.send(request_for(place_));
  wait_until_there(client, n);
  return client;
}

void MatrixTest::wait_until_there(AnyClient& client, std::size_t n) {
  switch (place_) {
    case Place::queued:
    case Place::queued_upload: {
      AnyClient one_too_many = connect_any();
      one_too_many.send(get("/one-too-many"));
      one_too_many.read_until(" 503 ");
      return;
    }
    case Place::connecting:
      return eventually("hangup to connect", [&] { return is_connecting_to(silent_.where().port()); });
    case Place::uploading:
      upstream.wait_for_body("/work", 500, n);
      return;
    case Place::awaiting_continue:
    case Place::awaiting_head:
      upstream.wait_for_request("/work", n);
      return;
    case Place::idle_stream:
    case Place::tunnel:
      client.read_until("hello");
      return;
    case Place::unread_stream:
      return wait_until_blocked(upstream, upstream.wait_for_request("/work", n));
    case Place::mid_transfer:
      client.read_until(half_way);
      return;
  }
}

void MatrixTest::stop_holding() {
  if (!holding_) return;
  holding_->leave(Way::closes);
  holding_.reset();
  upstream.wait_for_close(*held_);
}

void MatrixTest::wait_for_ends(std::size_t n, std::string_view path) {
  eventually(fmt::format("{} exchanges to have ended", n), [&] {
    const auto lines = hangup->access_log("exchange");
    return static_cast<std::size_t>(
               std::ranges::count(lines, path, [](const Json& line) { return line.at("path"); })) >= n;
  });
}

std::vector<Json> MatrixTest::all_ends() {
  stop_holding();
  drain();
  auto lines = hangup->access_log("exchange");
  std::erase_if(lines, [](const Json& line) { return line.at("path") != "/work"; });
  return lines;
}

bool MatrixTest::begun() const {
  return place_ != Place::queued && place_ != Place::queued_upload && place_ != Place::connecting;
}

}  // namespace hangup::test
