// The matrix: wherever an exchange stands, whatever the client has sent behind its request and however it
// leaves, hangup finds it gone, each time, aborts what the upstream was doing, and calls the cleanup once.
// Clients that stay are served, whatever they have sent.
//
// A test here is a row over a transport, `Matrix.<way>/<where the exchange stands><behind what>/<over what>`,
// and several clients leave one after the other. Every row of what hangup promises, with its tests:
//
//   waiting for the head: FIN, RST      */WhileAwaitingTheHead/*
//   in the gap of a stream: FIN, RST    */InAGapOfAStream/*
//   half-closed, and still reads        HalfCloses/*; half_close_test: what shows it
//   half-closed, by a policy of abort   SendsFin/*
//   pipelined: GETs, 64 KiB to 16 MiB   */*Behind*/*; Stays/*: they harm no exchange
//   reads nothing of 64 MiB             */ReadingNothingOf64MiB/*
//   in mid-transfer                     */InTheMiddleOfATransfer/*
//   sending its body                    */WithHalfItsBodySent/*; disconnect_test: chunked
//   queued for a slot                   */WhileQueued*/*
//   while a server is connected to      */WhileConnecting/*
//   TLS: close_notify, FIN alone, RST   SaysGoodbye/*, EndsWithoutGoodbye/*, */OverTls
//   WebSocket and other tunnels         */InATunnel/*; tunnel_test: with bytes not taken
//   waiting for 100-continue            */WhileAwaiting100Continue/*
//   vanished, in any of three phases    vanished_test, in a network that is switched off
//   2,000 in flight leave at once       scale_test
//   no exchange yet, or no longer       disconnect_test
#include "e2e/matrix.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

namespace hangup::test {
namespace {

using enum Place;
using enum Way;
using enum Behind;

struct End {
  std::string_view phase;
  int status;
};

End end_of(Place place) {
  switch (place) {
    case queued:
    case queued_upload:
      return {"queued", 499};
    case connecting:
      return {"connecting", 499};
    case uploading:
    case awaiting_continue:
      return {"sending_request", 499};
    case awaiting_head:
      return {"awaiting_response", 499};
    case idle_stream:
    case unread_stream:
    case mid_transfer:
      return {"streaming_response", 200};
    case tunnel:
      return {"tunnel", 101};
  }
  return {};
}

// How many clients leave one after the other: fewer where each takes time.
std::size_t times(const Row& row) {
  const bool heavy = row.place == connecting || row.place == unread_stream || row.place == mid_transfer ||
                     row.behind == junk_1_mib || row.behind == junk_16_mib;
  return (heavy ? 5 : 20) / (sanitized ? 5 : 1);
}

// For what is pipelined hangup hardly grows: of each connection 64 KiB are kept, and allocators round up.
void expect_little_growth(const Hangup& hangup, std::uint64_t memory_before) {
  if (sanitized) return;
  EXPECT_LT(hangup.peak_resident_bytes(), memory_before + (4 << 20));
}

// ---- Clients that leave

class FoundGone : public MatrixTest {
 public:
  explicit FoundGone(const Row& row) : row_(row) {}

 private:
  void TestBody() override;
  void expect_aborted(std::size_t count) const;

  Row row_;
};

void FoundGone::TestBody() {
  open(row_.place, row_.over, row_.way == sends_fin ? "half_close: abort" : "");
  const std::size_t count = times(row_);
  const std::string bytes = pipelined(row_.behind);
  std::uint64_t memory = 0;
  for (std::size_t n = 1; n <= count; ++n) {
    AnyClient client = reach(n);
    if (n == 1) memory = hangup->peak_resident_bytes();
    client.send(bytes);
    client.leave(row_.way);
    if (begun()) upstream.wait_for_close(upstream.wait_for_request("/work", n));
    wait_for_ends(n);
  }
  if (!bytes.empty()) expect_little_growth(*hangup, memory);

  const std::vector<Json> ends = all_ends();
  ASSERT_EQ(ends.size(), count);
  const auto [phase, status] = end_of(row_.place);
  for (const Json& exchange : ends) {
    expect_end(exchange, "client_gone", phase, status);
    if (!begun()) {
      EXPECT_EQ(exchange.at("cleanup"), "skipped: nothing was sent upstream");
    }
  }
  for (const RequestRecord& request : upstream.requests()) {
    EXPECT_NE(request.message.path(), "/next");
    if (!begun()) {
      EXPECT_NE(request.message.path(), "/work");
    }
  }
  if (begun()) return expect_aborted(count);
  for (const Call& call : receiver.calls()) EXPECT_EQ(call.body.at("data").at("path"), "/hold");
}

void FoundGone::expect_aborted(std::size_t count) const {
  for (const RequestRecord& request : upstream.requests()) {
    EXPECT_EQ(upstream.connections().at(request.connection).closed, Closed::reset);
  }
  for (const Json& exchange : hangup->access_log("exchange")) {
    EXPECT_LT(exchange.at("abort_us"), 1'000'000) << exchange;
  }
  const std::vector<Call> calls = receiver.calls();
  EXPECT_EQ(calls.size(), count);
  std::set<std::string> cleaned;
  for (const Call& call : calls) {
    const Json& data = call.body.at("data");
    EXPECT_EQ(data.at("outcome"), "client_gone");
    EXPECT_EQ(data.at("phase"), end_of(row_.place).phase);
    cleaned.insert(data.at("request_id").get<std::string>());
  }
  EXPECT_EQ(cleaned.size(), count);
}

// ---- Clients that stay

// Clients that have sent what no exchange is to be harmed by, or FIN, and read.
class Served : public MatrixTest {
 public:
  explicit Served(const Row& row) : row_(row) { pieces_to_come_ = 16; }

 protected:
  // Lets the exchange go on, which ends as if nothing had happened.
  void expect_served(AnyClient& client) {
    stop_holding();
    upstream.open("finish");
    EXPECT_THAT(client.read_until("finished"), ::testing::HasSubstr("finished"));
    wait_for_ends(1);
  }
  void expect_completed() {
    const std::vector<Json> ends = all_ends();
    ASSERT_EQ(ends.size(), 1U);
    expect_end(ends.front(), "completed", "streaming_response", 200);
    for (const Call& call : receiver.calls()) EXPECT_EQ(call.body.at("data").at("path"), "/hold");
  }
  const Row row_;
};

class Stays : public Served {
 public:
  using Served::Served;

 private:
  void TestBody() override {
    open(row_.place, row_.over, "");
    AnyClient client = reach(1);
    const std::uint64_t memory = hangup->peak_resident_bytes();
    client.send(pipelined(row_.behind));
    expect_served(client);
    expect_little_growth(*hangup, memory);
    const bool gets = row_.behind == one_get || row_.behind == many_gets;
    if (gets) {
      wait_for_ends(row_.behind == one_get ? 1 : hangup::test::many_gets, "/next");
    } else {
      client.read_to_end();  // what is no request ends the connection
    }
    client.leave(closes);
    expect_completed();
    if (!gets) {
      for (const RequestRecord& request : upstream.requests()) EXPECT_NE(request.message.path(), "/next");
    }
  }
};

class HalfCloses : public Served {
 public:
  using Served::Served;

 private:
  void TestBody() override {
    open(row_.place, row_.over, "");
    AnyClient client = reach(1);
    client.half_close();
    std::this_thread::sleep_for(200ms);  // the verdict is due by then: what is to be seen is that none comes
    expect_served(client);
    client.read_to_end();
    expect_completed();
  }
};

// ---- The rows

std::vector<Way> ways_over(Over over) {
  switch (over) {
    case Over::tcp:
      return {closes, sends_fin, resets};
    case Over::tls:
      return {closes, says_goodbye, ends_without_goodbye, resets};
    case Over::unix_socket:  // has no RST
      return {closes, sends_fin};
  }
  return {};
}

constexpr auto every_transport = {Over::tcp, Over::tls, Over::unix_socket};
constexpr auto every_place = {queued,        queued_upload, connecting,    uploading,    awaiting_continue,
                              awaiting_head, idle_stream,   unread_stream, mid_transfer, tunnel};

// Adds what pipelining is tried with: all of it over TCP, over the others what differs there. Only places
// where the request is whole: what follows others is their body.
void add_pipelined(std::vector<Row>& rows, std::initializer_list<Place> places, Way way, Over over) {
  for (const Place place : places) {
    for (const Behind behind : {one_get, Behind::many_gets, junk_64_kib, junk_1_mib, junk_16_mib}) {
      if (over != Over::tcp && (behind == one_get || behind == junk_1_mib)) continue;
      rows.push_back({place, way, behind, over});
    }
  }
}

std::vector<Row> rows_of_those_who_leave() {
  std::vector<Row> rows;
  for (const Over over : every_transport) {
    for (const Way way : ways_over(over)) {
      for (const Place place : every_place) rows.push_back({place, way, nothing, over});
    }
  }
  for (const Way way : {closes, resets}) {
    add_pipelined(rows, {queued, connecting, awaiting_head, idle_stream, unread_stream, mid_transfer}, way,
                  Over::tcp);
    add_pipelined(rows, {queued, awaiting_head, idle_stream, unread_stream}, way, Over::tls);
  }
  add_pipelined(rows, {queued, awaiting_head, idle_stream, unread_stream}, closes, Over::unix_socket);
  return rows;
}

std::vector<Row> rows_of_those_who_stay() {
  std::vector<Row> rows;
  add_pipelined(rows, {queued, awaiting_head, idle_stream, mid_transfer}, {}, Over::tcp);
  add_pipelined(rows, {awaiting_head, idle_stream}, {}, Over::tls);
  add_pipelined(rows, {awaiting_head, idle_stream}, {}, Over::unix_socket);
  return rows;
}

// By TLS, FIN means gone.
std::vector<Row> rows_of_those_who_half_close() {
  std::vector<Row> rows;
  for (const Over over : {Over::tcp, Over::unix_socket}) {
    for (const Place place : {queued, awaiting_head, idle_stream, mid_transfer}) {
      rows.push_back({place, {}, nothing, over});
    }
  }
  return rows;
}

template <typename Test>
void register_row(const std::string& way, const Row& row) {
  const std::string name = way + '/' + name_of(row.place) + name_of(row.behind) + '/' + name_of(row.over);
  ::testing::RegisterTest("Matrix", name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [row]() -> MatrixTest* { return new Test(row); });
}

const bool matrix_registered = [] {
  for (const Row& row : rows_of_those_who_leave()) register_row<FoundGone>(name_of(row.way), row);
  for (const Row& row : rows_of_those_who_stay()) register_row<Stays>("Stays", row);
  for (const Row& row : rows_of_those_who_half_close()) register_row<HalfCloses>("HalfCloses", row);
  return true;
}();

}  // namespace
}  // namespace hangup::test
