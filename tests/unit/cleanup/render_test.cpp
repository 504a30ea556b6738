#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include <hangup/cleanup/cleanup.h>

namespace hangup::cleanup {
namespace {

using config::Place, config::Template, config::Variable;
using Json = nlohmann::ordered_json;

class FakeExchange final : public config::VariableSource {
 public:
  std::map<std::pair<Variable, std::string>, std::string> values = {
      {{Variable::request_id, ""}, "req-1"},
      {{Variable::request_method, ""}, "POST"},
      {{Variable::request_host, ""}, "reports.example.com"},
      {{Variable::request_path, ""}, "/reports/7"},
      {{Variable::client_ip, ""}, "192.0.2.7"},
      {{Variable::client_port, ""}, "40312"},
      {{Variable::route, ""}, "create report"},
      {{Variable::upstream_server, ""}, "http://127.0.0.1:9000"},
      {{Variable::outcome, ""}, "client_gone"},
      {{Variable::phase, ""}, "awaiting_response"},
      {{Variable::time, ""}, "2026-01-02T03:04:05.067Z"},
  };

  std::optional<std::string_view> value(const config::VariableRef& ref, std::string& scratch) const override {
    const auto found = values.find({ref.variable, ref.name});
    if (found == values.end()) return std::nullopt;
    scratch = found->second;
    return scratch;
  }
};

Template compiled(std::string_view text) {
  auto result = Template::parse(text);
  EXPECT_TRUE(result) << text;
  return std::move(*result);
}

class Render : public testing::Test {
 protected:
  Render() {
    cleanup.name = "stop-report";
    cleanup.url = compiled("http://127.0.0.1:9000/jobs/{request.id}");
  }
  std::expected<Delivery, std::string> rendered() const {
    return render(cleanup, {}, exchange, "msg_1", "req-1",
                  WallTime(std::chrono::milliseconds(1767323045999)));
  }
  static std::string header(const Delivery& delivery, std::string_view name) {
    for (const auto& [key, value] : delivery.headers) {
      if (key == name) return value;
    }
    return "(none)";
  }

  config::Cleanup cleanup;
  FakeExchange exchange;
};

TEST_F(Render, ByDefaultIsACloudEvent) {
  const auto delivery = rendered();
  ASSERT_TRUE(delivery) << delivery.error();
  EXPECT_EQ(
      delivery->body,
      R"({"specversion":"1.0","id":"msg_1","source":"/hangup/routes/create%20report",)"
      R"("type":"dev.hangup.exchange.client_gone","time":"2026-01-02T03:04:05.067Z","subject":"req-1",)"
      R"("datacontenttype":"application/json","data":{"request_id":"req-1","outcome":"client_gone",)"
      R"("phase":"awaiting_response","route":"create report","method":"POST","host":"reports.example.com",)"
      R"("path":"/reports/7","client":"192.0.2.7:40312","upstream":"http://127.0.0.1:9000"}})");
  EXPECT_EQ(header(*delivery, "Content-Type"), "application/cloudevents+json");
}

TEST_F(Render, CarriesWhatTheDispatcherNeeds) {
  cleanup.method = "DELETE";
  cleanup.timeout = std::chrono::seconds(3);
  cleanup.retry.max_attempts = 5;
  const auto delivery = rendered();
  ASSERT_TRUE(delivery);
  EXPECT_EQ(delivery->id, "msg_1");
  EXPECT_EQ(delivery->cleanup, "stop-report");
  EXPECT_EQ(delivery->request_id, "req-1");
  EXPECT_EQ(delivery->method, "DELETE");
  EXPECT_EQ(delivery->url, "http://127.0.0.1:9000/jobs/req-1");
  EXPECT_EQ(delivery->timeout, std::chrono::seconds(3));
  EXPECT_EQ(delivery->retry.max_attempts, 5U);
  EXPECT_EQ(header(*delivery, "webhook-id"), "msg_1");
  EXPECT_EQ(header(*delivery, "webhook-timestamp"), "1767323045");
  EXPECT_TRUE(header(*delivery, "User-Agent").starts_with("hangup/")) << header(*delivery, "User-Agent");
}

TEST_F(Render, AnEventSaysQueryAndStatusOnlyWhenThereAreSome) {
  exchange.values[{Variable::request_query, ""}] = "a=1&b";
  exchange.values[{Variable::response_status, ""}] = "200";
  const Json data = Json::parse(rendered()->body).at("data");
  EXPECT_EQ(data.at("query"), "a=1&b");
  EXPECT_EQ(data.at("status"), 200);
}

TEST_F(Render, AnEventOfAnExchangeThatKnowsNothingIsStillAnEvent) {
  exchange.values.clear();
  exchange.values[{Variable::outcome, ""}] = "crashed";
  cleanup.url = compiled("http://127.0.0.1/");
  const Json event = Json::parse(rendered()->body);
  EXPECT_EQ(event.at("source"), "/hangup");
  EXPECT_EQ(event.at("type"), "dev.hangup.exchange.crashed");
  EXPECT_EQ(event.at("data").size(), 2U);
}

TEST_F(Render, AnEventIsValidJsonWhateverTheClientSent) {
  for (int byte = 0; byte < 256; ++byte) {
    exchange.values[{Variable::request_path, ""}] = std::string("/a") + static_cast<char>(byte) + "\"}\\";
    const auto delivery = rendered();
    ASSERT_TRUE(delivery);
    const Json event = Json::parse(delivery->body, nullptr, false);
    ASSERT_FALSE(event.is_discarded()) << byte;
    if (byte > 0 && byte < 0x80) {
      EXPECT_EQ(event.at("data").at("path"), (exchange.values[{Variable::request_path, ""}]));
    }
  }
}

TEST_F(Render, PutsAnIpv6ClientInBrackets) {
  exchange.values[{Variable::client_ip, ""}] = "2001:db8::1";
  EXPECT_EQ(Json::parse(rendered()->body).at("data").at("client"), "[2001:db8::1]:40312");
}

TEST_F(Render, EscapesAValueForWhereItStands) {
  exchange.values[{Variable::request_header, "x-job"}] = "a/b \"c\"";
  cleanup.url = compiled("http://127.0.0.1/jobs/{request.header.x-job}?x={request.header.x-job}");
  cleanup.headers.emplace_back("X-Job", compiled("job {request.header.x-job}"));
  cleanup.body_kind = config::Cleanup::Body::template_text;
  cleanup.body = compiled(R"({"job":"{request.header.x-job}"})");
  cleanup.body_place = Place::json;
  const auto delivery = rendered();
  ASSERT_TRUE(delivery) << delivery.error();
  EXPECT_EQ(delivery->url, "http://127.0.0.1/jobs/a%2Fb%20%22c%22?x=a%2Fb%20%22c%22");
  EXPECT_EQ(header(*delivery, "X-Job"), "job a/b \"c\"");
  EXPECT_EQ(delivery->body, R"({"job":"a/b \"c\""})");
  EXPECT_EQ(header(*delivery, "Content-Type"), "application/json");
}

TEST_F(Render, AValueThatIsMissingSkipsTheCleanupWithTheReason) {
  const auto missing = compiled("{request.header.x-job}");
  config::Cleanup with_header = cleanup;
  with_header.headers.emplace_back("X-Job", missing);
  config::Cleanup with_body = cleanup;
  with_body.body_kind = config::Cleanup::Body::template_text;
  with_body.body = missing;
  config::Cleanup with_url = cleanup;
  with_url.url = compiled("http://127.0.0.1/{request.header.x-job}");
  for (const auto& each : {with_header, with_body, with_url}) {
    cleanup = each;
    const auto delivery = rendered();
    ASSERT_FALSE(delivery);
    EXPECT_EQ(delivery.error(), "{request.header.x-job} has no value");
  }
}

TEST_F(Render, AClientCantWriteAHeader) {
  exchange.values[{Variable::request_header, "x-job"}] = "a\r\nX-Evil: 1";
  cleanup.headers.emplace_back("X-Job", compiled("{request.header.x-job}"));
  EXPECT_FALSE(rendered());
}

TEST_F(Render, AClientCantWriteIntoATextOfAnotherLanguage) {
  exchange.values[{Variable::request_header, "x-job"}] = "1'; DROP TABLE jobs; --";
  cleanup.body_kind = config::Cleanup::Body::template_text;
  cleanup.body = compiled("DELETE FROM jobs WHERE id = '{request.header.x-job}'");
  EXPECT_FALSE(rendered());
}

TEST_F(Render, WithoutABodyHasNoContentType) {
  cleanup.body_kind = config::Cleanup::Body::none;
  const auto delivery = rendered();
  ASSERT_TRUE(delivery);
  EXPECT_EQ(delivery->body, "");
  EXPECT_EQ(header(*delivery, "Content-Type"), "(none)");
}

TEST_F(Render, ConfiguredHeadersReplaceTheDefaults) {
  cleanup.headers.emplace_back("content-type", compiled("application/x-thing"));
  cleanup.headers.emplace_back("user-agent", compiled("mine"));
  const auto delivery = rendered();
  ASSERT_TRUE(delivery);
  EXPECT_EQ(header(*delivery, "content-type"), "application/x-thing");
  EXPECT_EQ(header(*delivery, "Content-Type"), "(none)");
  EXPECT_EQ(header(*delivery, "User-Agent"), "(none)");
}

TEST_F(Render, ConfiguredHeadersCantContradictTheMessageOrItsIdentity) {
  for (const char* name : {"Content-Length", "transfer-encoding", "Connection", "Webhook-Id",
                           "Webhook-Timestamp", "Webhook-Signature"}) {
    cleanup.headers.emplace_back(name, compiled("7"));
  }
  const auto delivery = rendered();
  ASSERT_TRUE(delivery);
  for (const auto& [name, value] : delivery->headers) EXPECT_NE(value, "7") << name;
}

TEST_F(Render, AUrlThatCantBeCalledSkipsTheCleanup) {
  exchange.values[{Variable::request_header, "x-host"}] = "evil@host/";
  cleanup.url = compiled("http://{request.header.x-host}/jobs");
  const auto delivery = rendered();
  ASSERT_FALSE(delivery);
  EXPECT_EQ(delivery.error(), "the url has no valid host");
}

TEST_F(Render, CarriesWhatTheContractPromisesOfALateCall) {
  cleanup.ok_status = {404, 409};
  cleanup.delay = std::chrono::seconds(2);
  cleanup.expire_after = std::nullopt;
  const auto delivery = rendered();
  ASSERT_TRUE(delivery);
  EXPECT_EQ(delivery->ok_status, (std::vector<int>{404, 409}));
  EXPECT_EQ(delivery->delay, std::chrono::seconds(2));
  EXPECT_EQ(delivery->expire_after, std::nullopt);
  EXPECT_EQ(delivery->created, WallTime(std::chrono::milliseconds(1767323045999)));
}

TEST_F(Render, ASecretIsNeverInWhatIsStored) {
  EXPECT_FALSE(rendered()->is_signed);
  cleanup.signing_keys = {"the key"};
  const auto delivery = rendered();
  ASSERT_TRUE(delivery);
  EXPECT_TRUE(delivery->is_signed);
  EXPECT_EQ(header(*delivery, "webhook-signature"), "(none)");
}

TEST_F(Render, TakesAnHttpsUrl) {
  cleanup.url = compiled("https://hooks.example.com/jobs/{request.id}");
  EXPECT_EQ(rendered()->url, "https://hooks.example.com/jobs/req-1");
}

// What a route with several cleanups, before an upstream with two servers, owes.
class RenderAll : public Render {
 protected:
  RenderAll() {
    auto upstream = std::make_shared<config::Upstream>();
    upstream->servers = {server("127.0.0.1:9000", "127.0.0.1:9000"), server("[::1]:9001", "backend:9001")};
    route.upstream = upstream;
  }
  static config::Server server(std::string_view address, std::string authority) {
    return {.url = "http://" + authority,
            .address = SocketAddress::parse(address).value(),
            .authority = std::move(authority)};
  }
  void add(std::string_view url, config::Cleanup::To to = config::Cleanup::To::url) {
    config::Cleanup next = cleanup;
    next.url = compiled(url);
    next.to = to;
    route.on_disconnect.cleanups.push_back(std::make_shared<config::Cleanup>(std::move(next)));
  }
  Owed owed(const config::Server* had_it, std::string_view request_id = "req-1") const {
    return render_all(route, {.server = had_it}, exchange, request_id,
                      WallTime(std::chrono::seconds(1767323045)));
  }
  const config::Server* first() const { return &route.upstream->servers[0]; }
  const config::Server* second() const { return &route.upstream->servers[1]; }

  config::Route route;
};

TEST_F(RenderAll, CleanupsTakeTheirTurnsInTheOrderOfTheRoute) {
  add("http://a/");
  add("http://b/");
  const Owed both = owed(first());
  ASSERT_EQ(both.deliveries.size(), 2U);
  EXPECT_EQ(both.deliveries[0].id, "req-1-0");
  EXPECT_EQ(both.deliveries[0].turn, 0U);
  EXPECT_EQ(both.deliveries[1].id, "req-1-1");
  EXPECT_EQ(both.deliveries[1].turn, 1U);
}

TEST_F(RenderAll, ToTheSameServerGoesToTheAddressThatHadTheRequest) {
  add("/jobs/{request.id}?x=1", config::Cleanup::To::same_server);
  EXPECT_EQ(owed(first()).deliveries.at(0).url, "http://127.0.0.1:9000/jobs/req-1?x=1");
  EXPECT_EQ(header(owed(first()).deliveries.at(0), "Host"), "(none)");
  const Delivery named = owed(second()).deliveries.at(0);
  EXPECT_EQ(named.url, "http://[::1]:9001/jobs/req-1?x=1");
  EXPECT_EQ(header(named, "Host"), "backend:9001");
  EXPECT_EQ(named.socket, "");
}

TEST_F(RenderAll, ToAServerWithANameGoesToTheAddressThatHadTheRequestOrElseByTheName) {
  config::Server named = server("127.0.0.1:1", "app.example:9000");
  named.address = {};
  named.name.emplace();
  add("/jobs", config::Cleanup::To::same_server);
  const SocketAddress address = SocketAddress::parse("192.0.2.7:9000").value();
  const Delivery there =
      render_all(route, {.server = &named, .address = &address}, exchange, "req-1", {}).deliveries.at(0);
  EXPECT_EQ(there.url, "http://192.0.2.7:9000/jobs");
  EXPECT_EQ(header(there, "Host"), "app.example:9000");
  const Delivery somewhere = owed(&named).deliveries.at(0);
  EXPECT_EQ(somewhere.url, "http://app.example:9000/jobs");
  EXPECT_EQ(header(somewhere, "Host"), "(none)");
}

TEST_F(RenderAll, ToEveryServerIsADeliveryToEachAddressOfAName) {
  auto upstream = std::make_shared<config::Upstream>(*route.upstream);
  upstream->servers[0].name.emplace();
  route.upstream = upstream;
  add("/jobs", config::Cleanup::To::every_server);
  const auto list = [](std::initializer_list<const char*> texts) {
    std::vector<SocketAddress> addresses;
    for (const char* text : texts) addresses.push_back(SocketAddress::parse(text).value());
    return std::make_shared<const std::vector<SocketAddress>>(std::move(addresses));
  };
  const std::vector<AddressList> addresses = {list({"192.0.2.7:9000", "192.0.2.8:9000"}),
                                              list({"[::1]:9001"})};
  const Owed all = render_all(route, {}, exchange, "req-1", {}, addresses);
  std::vector<std::pair<std::string, std::string>> calls;
  for (const Delivery& delivery : all.deliveries) calls.emplace_back(delivery.id, delivery.url);
  EXPECT_THAT(calls, testing::ElementsAre(testing::Pair("req-1-0-0", "http://192.0.2.7:9000/jobs"),
                                          testing::Pair("req-1-0-0-1", "http://192.0.2.8:9000/jobs"),
                                          testing::Pair("req-1-0-1", "http://[::1]:9001/jobs")));
}

TEST_F(RenderAll, ToTheSameServerByHttpsSaysWhatItsCertificateHasToBeFor) {
  config::Server secure = server("127.0.0.1:443", "reports.internal");
  secure.https = true;
  secure.tls_name = "reports.internal";
  secure.upstream = "app";
  add("/jobs", config::Cleanup::To::same_server);
  const Delivery delivery = owed(&secure).deliveries.at(0);
  EXPECT_EQ(delivery.url, "https://127.0.0.1:443/jobs");
  EXPECT_EQ(header(delivery, "Host"), "reports.internal");
  EXPECT_EQ(delivery.server_name, "reports.internal");
  EXPECT_EQ(delivery.upstream, "app");
  EXPECT_EQ(owed(first()).deliveries.at(0).upstream, "");
}

TEST_F(RenderAll, AConfiguredHostStaysAtTheSameServer) {
  cleanup.headers.emplace_back("host", compiled("mine"));
  add("/", config::Cleanup::To::same_server);
  const Delivery delivery = owed(second()).deliveries.at(0);
  EXPECT_EQ(header(delivery, "host"), "mine");
  EXPECT_EQ(header(delivery, "Host"), "(none)");
}

TEST_F(RenderAll, ToTheSameServerBehindAUnixSocketGoesThere) {
  const config::Server local = server("unix:/run/app.sock", "localhost");
  add("/jobs/{request.id}", config::Cleanup::To::same_server);
  const Delivery delivery = owed(&local).deliveries.at(0);
  EXPECT_EQ(delivery.url, "http://localhost/jobs/req-1");
  EXPECT_EQ(delivery.socket, "/run/app.sock");
}

TEST_F(RenderAll, WithoutAServerACallToTheSameServerIsSkippedAndTheOthersAreNot) {
  add("/jobs", config::Cleanup::To::same_server);
  add("http://a/");
  const Owed rest = owed(nullptr);
  EXPECT_EQ(rest.skipped, "no server had the request");
  ASSERT_EQ(rest.deliveries.size(), 1U);
  EXPECT_EQ(rest.deliveries[0].id, "req-1-1");
}

TEST_F(RenderAll, ToEveryServerIsADeliveryToEachInOneTurn) {
  add("http://a/");
  add("/jobs/{request.id}", config::Cleanup::To::every_server);
  add("http://b/");
  const Owed all = owed(nullptr);
  EXPECT_EQ(all.skipped, "");
  ASSERT_EQ(all.deliveries.size(), 4U);
  EXPECT_EQ(all.deliveries[1].id, "req-1-1-0");
  EXPECT_EQ(all.deliveries[1].url, "http://127.0.0.1:9000/jobs/req-1");
  EXPECT_EQ(all.deliveries[1].turn, 1U);
  EXPECT_EQ(all.deliveries[2].id, "req-1-1-1");
  EXPECT_EQ(all.deliveries[2].url, "http://[::1]:9001/jobs/req-1");
  EXPECT_EQ(all.deliveries[2].turn, 1U);
  EXPECT_EQ(all.deliveries[3].turn, 2U);
}

TEST_F(RenderAll, AMissingValueIsOneReasonForAllServers) {
  add("/jobs/{request.header.x-job}", config::Cleanup::To::every_server);
  EXPECT_EQ(owed(first()).skipped, "{request.header.x-job} has no value");
}

TEST_F(RenderAll, APathCantMoveTheCallToAnotherHost) {
  exchange.values[{Variable::request_path, ""}] = "@evil.example";
  add("{request.path|raw}", config::Cleanup::To::same_server);
  EXPECT_EQ(owed(first()).skipped, "the path for the server does not start with a /");
}

TEST_F(RenderAll, AProxysRequestIdIsSaidButIdentifiesNothing) {
  exchange.values[{Variable::request_id, ""}] = "of-the-proxy";
  add("http://a/{request.id}");
  const Delivery delivery = owed(first(), "own").deliveries.at(0);
  EXPECT_EQ(delivery.id, "own-0");
  EXPECT_EQ(delivery.request_id, "own");
  EXPECT_EQ(delivery.given_id, "of-the-proxy");
  EXPECT_EQ(delivery.url, "http://a/of-the-proxy");
  EXPECT_NE(delivery.body.find(R"("subject":"of-the-proxy")"), std::string::npos) << delivery.body;
  EXPECT_NE(delivery.body.find(R"("request_id":"of-the-proxy")"), std::string::npos) << delivery.body;
  EXPECT_EQ(delivery.body.find("\"own\""), std::string::npos) << delivery.body;
}

TEST_F(RenderAll, AnIdNeverHasBytesThatAHeaderOrASignatureCantBear) {
  add("http://a/");
  const Delivery delivery = owed(first(), "a.b\r\n\xff c").deliveries.at(0);
  EXPECT_EQ(delivery.id, "a%2Eb%0D%0A%FF%20c-0");
  EXPECT_EQ(header(delivery, "webhook-id"), delivery.id);
  EXPECT_EQ(delivery.request_id, "a.b\r\n\xff c");
}

}  // namespace
}  // namespace hangup::cleanup
