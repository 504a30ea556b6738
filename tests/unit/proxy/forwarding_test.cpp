// What of a message goes on to the other side, and what only hangup may say.
#include "unit/proxy/exchange_fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace hangup {
namespace {

class ForwardingTest : public ExchangeTest {
 protected:
  ForwardingTest() {
    subject_headers = {"X-Client-Subject"};
    route.request.set = {{"X-Asked", text_template("{request.header.X-Client-Subject}")},
                         {"X-Spelled", text_template("{request.header.x_client_subject|nobody}")},
                         {"X-Known", text_template("{client.subject|nobody}")}};
  }
  void send_forged() {
    send(
        "GET /jobs/17 HTTP/1.1\r\nHost: h\r\nX-Client-Subject: CN=forged\r\n"
        "X_Client_Subject: CN=forged\r\n\r\n");
    observer().on_connected(server());
  }
};

TEST_F(ForwardingTest, TheSubjectThatAClientClaimsIsNoValueOfAnyVariable) {
  send_forged();
  EXPECT_EQ(request().count("X-Asked"), 0U);
  EXPECT_EQ(request().field("X-Spelled"), "nobody");
  EXPECT_EQ(request().field("X-Known"), "nobody");
}

TEST_F(ForwardingTest, TheVerifiedSubjectIsTheValueUnderEachName) {
  subject = "CN=anna";
  send_forged();
  EXPECT_EQ(request().field("X-Asked"), "CN=anna");
  EXPECT_EQ(request().field("X-Spelled"), "CN=anna");
  EXPECT_EQ(request().field("X-Known"), "CN=anna");
}

TEST_F(ForwardingTest, TrailersHaveNothingThatTheRouteRemovesOrSets) {
  route.request.remove = {"X-Secret"};
  route.response.remove = {"X-Internal"};
  route.response.set = {{"X-Set", text_template("ours")}};
  send("POST /jobs/17 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  observer().on_connected(server());
  for (const char* name : {"x-secret", "X_Secret", "X-Known", "X-Client-Subject", "X-Sum"})
    client->request_trailers.add(name, "1");
  client->observer->on_request_body("body", true);
  EXPECT_THAT(request().trailers, testing::ElementsAre(testing::Pair("X-Sum", "1")));

  respond("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  http::Fields trailers;
  for (const char* name : {"X-Internal", "x-set", "X-Sum"}) trailers.add(name, "1");
  observer().on_response_body("body", true, trailers);
  EXPECT_THAT(client->trailer_names, testing::ElementsAre("X-Sum"));
}

}  // namespace
}  // namespace hangup
