// A client that sends FIN may have closed, or may still read: what half_close makes of it.
#include "e2e/fixture.h"

#include <thread>

namespace hangup::test {
namespace {

using HalfClose = EndToEnd;

TEST_F(HalfClose, WaitStillDeliversTheResponse) {
  upstream.on("/work", never_answer());
  Yaml yaml;
  yaml.on_disconnect = "half_close: wait, cleanup: stop";
  start(yaml);
  Client client = connect();
  client.send(get("/work"));
  client.fin();
  const RequestRecord request = upstream.wait_for_request("/work");
  upstream.send(request, chunked_head() + chunk("one"));
  client.read_head();
  EXPECT_EQ(client.read_body(3).body, "one");
  upstream.send(request, chunk("two") + std::string(last_chunk));
  const Response response = client.finish();
  EXPECT_TRUE(response.complete);
  EXPECT_EQ(response.body, "onetwo");
  EXPECT_EQ(client.wait_for_close(), Closed::fin);
  const Json exchange = only_exchange();
  expect_end(exchange, "completed", "streaming_response", 200);
  expect_no_call(exchange);
}

TEST_F(HalfClose, WaitTakesAResetAfterTheFinForGone) {
  upstream.on("/work", never_answer());
  Yaml yaml;
  yaml.on_disconnect = "half_close: wait, cleanup: stop";
  start(yaml);
  Client client = connect();
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  client.fin();
  client.reset();
  upstream.wait_for_close(request);
  receiver.wait_for_call();
  const Json exchange = only_exchange();
  expect_end(exchange, "client_gone", "awaiting_response", 499);
  only_call(exchange);
}

TEST_F(HalfClose, WaitTakesAFailedWriteForGone) {
  upstream.on("/work",
              Script().gate("go").send(chunked_head()).send_endlessly(chunk(std::string(1000, 'x'))));
  Yaml yaml;
  yaml.on_disconnect = "half_close: wait, cleanup: stop";
  start(yaml);
  Client client = connect();
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  client.close();
  upstream.open("go");
  upstream.wait_for_close(request);
  receiver.wait_for_call();
  const Json exchange = only_exchange();
  expect_end(exchange, "client_gone", "streaming_response", 200);
  only_call(exchange);
}

TEST_F(HalfClose, AbortEndsTheConnectionOfAClientThatStillReads) {
  upstream.on("/work", Script().send(chunked_head() + chunk("one")));
  Yaml yaml;
  yaml.on_disconnect = "half_close: abort, cleanup: stop";
  start(yaml);
  Client client = connect();
  client.send(get("/work"));
  client.read_head();
  client.read_body(3);
  client.fin();
  EXPECT_FALSE(client.finish().complete);
  upstream.wait_for_close(upstream.wait_for_request("/work"));
  const Json exchange = only_exchange();
  expect_end(exchange, "client_gone", "streaming_response", 200);
  only_call(exchange);
}

// ---- half_close: probe, the default

class Probe : public EndToEnd {
 protected:
  // Nothing is to happen, which only time can show: the verdict is due by then.
  static void outlive_the_verdict() { std::this_thread::sleep_for(200ms); }
};

// What it has not read yet is on its way to it.
class ProbeOfASlowReader : public Probe {
 protected:
  void read_slowly_after_a_fin(const std::string& head, const std::string& tail) {
    constexpr std::size_t bytes = 300'000;
    const std::string part(bytes, 'x');
    const bool chunked = head.contains("chunked");
    upstream.on("/work", Script().send(head + (chunked ? chunk(part) : part)).gate("go").send(tail));
    start();
    Client client = connect({.receive = 4096});
    client.send(get("/work"));
    client.read_head();
    client.read_body(10'000);
    client.fin();
    for (std::uint64_t read = 10'000; read < bytes; read += 1000) {
      client.read_body(read);
      std::this_thread::sleep_for(1ms);
    }
    upstream.open("go");
    EXPECT_TRUE(client.finish().complete);
    expect_end(only_exchange(), "completed", "streaming_response", 200);
  }
};

TEST_F(ProbeOfASlowReader, ServesItInTheGapOfAStream) {
  read_slowly_after_a_fin(chunked_head(), chunk("end") + std::string(last_chunk));
}

TEST_F(ProbeOfASlowReader, ServesItInTheGapOfABodyOfKnownLength) {
  read_slowly_after_a_fin("HTTP/1.1 200 OK\r\nContent-Length: 300003\r\n\r\n", "end");
}

TEST_F(Probe, ServesAClientThatStillReadsWhenItWaitsForTheHead) {
  upstream.on("/work", Script().gate("go").send(response(200, "finished")));
  start();
  Client client = connect();
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  client.fin();
  EXPECT_EQ(client.read_interim().status, 100);
  outlive_the_verdict();
  upstream.open("go");
  const Response response = client.read_response();
  EXPECT_TRUE(response.complete);
  EXPECT_EQ(response.body, "finished");
  EXPECT_EQ(client.wait_for_close(), Closed::fin);
  const Json exchange = only_exchange();
  expect_end(exchange, "completed", "streaming_response", 200);
  expect_no_call(exchange);
}

TEST_F(Probe, ServesAClientThatStillReadsInTheGapsOfAStream) {
  upstream.on("/work", Script()
                           .send(chunked_head() + chunk("one"))
                           .gate("two")
                           .send(chunk("two"))
                           .gate("end")
                           .send(std::string(last_chunk)));
  start();
  Client client = connect();
  client.send(get("/work"));
  client.read_head();
  client.read_body(3);
  client.fin();
  outlive_the_verdict();
  upstream.open("two");
  EXPECT_EQ(client.read_body(6).body, "onetwo");
  outlive_the_verdict();
  upstream.open("end");
  EXPECT_TRUE(client.finish().complete);
  const Json exchange = only_exchange();
  expect_end(exchange, "completed", "streaming_response", 200);
  EXPECT_EQ(exchange["bytes_out"], 6);  // what was probed by is no part of the body
  expect_no_call(exchange);
}

TEST_F(Probe, ServesAClientThatSentFinWithItsRequest) {
  upstream.on("/work", Script().gate("go").send(response(200, "finished")));
  start();
  Client client = connect();
  client.send(get("/work"));
  client.fin();
  upstream.wait_for_request("/work");
  outlive_the_verdict();
  upstream.open("go");
  EXPECT_EQ(client.read_response().body, "finished");
  expect_end(only_exchange(), "completed", "streaming_response", 200);
}

TEST_F(Probe, ServesAClientThatStillReadsSlowly) {
  upstream.on("/work", Script().send("HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n" +
                                     std::string(8'000'000, 'x')));
  start();
  Client client = connect({.receive = 4096});
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  wait_until_blocked(upstream, request);
  client.fin();
  outlive_the_verdict();
  const Response response = client.read_response();
  EXPECT_TRUE(response.complete);
  EXPECT_EQ(response.body_bytes, 8'000'000U);
  expect_end(only_exchange(), "completed", "streaming_response", 200);
}

TEST_F(Probe, FindsAClientThatClosesAfterItStillRead) {
  upstream.on("/work", never_answer());
  start();
  Client client = connect();
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  client.fin();
  EXPECT_EQ(client.read_interim().status, 100);
  outlive_the_verdict();
  client.close();
  upstream.wait_for_close(request);
  receiver.wait_for_call();
  const Json exchange = only_exchange();
  expect_end(exchange, "client_gone", "awaiting_response", 499);
  only_call(exchange);
}

TEST_F(Probe, TakesAFinOfAnHttp10ClientForGone) {
  upstream.on("/old", never_answer());
  start();
  Client old = connect();
  old.send("GET /old HTTP/1.0\r\nHost: a\r\n\r\n");
  const RequestRecord of_old = upstream.wait_for_request("/old");
  old.fin();
  EXPECT_EQ(old.read_to_close(), "");
  upstream.wait_for_close(of_old);
  expect_end(only_exchange("/old"), "client_gone", "awaiting_response", 499);
}

TEST_F(Probe, TakesAFinForGoneInTheGapOfABodyOfKnownLength) {
  upstream.on("/work", Script().send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"));
  start();
  Client client = connect();
  client.send(get("/work"));
  client.read_head();
  client.read_body(5);
  client.fin();
  EXPECT_FALSE(client.finish().complete);
  upstream.wait_for_close(upstream.wait_for_request("/work"));
  expect_end(only_exchange(), "client_gone", "streaming_response", 200);
}

TEST_F(Probe, IsNotNeededOnAUnixSocket) {
  const TempDir dir;
  upstream.on("/read", Script().gate("go").send(response(200, "finished")));
  upstream.on("/closed", never_answer());
  start({.address = "unix:" + (dir / "in.sock").string()});
  Client reads = connect();
  reads.send(get("/read"));
  upstream.wait_for_request("/read");
  reads.fin();
  Client closes = connect();
  closes.send(get("/closed"));
  const RequestRecord closed = upstream.wait_for_request("/closed");
  closes.close();
  upstream.wait_for_close(closed);
  upstream.open("go");
  EXPECT_EQ(reads.read_response().body, "finished");
  drain();
  EXPECT_EQ(only_exchange("/read")["outcome"], "completed");
  EXPECT_EQ(only_exchange("/closed")["outcome"], "client_gone");
}

}  // namespace
}  // namespace hangup::test
