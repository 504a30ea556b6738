// Recipes for backends that are no Debian packages, before servers that do what the vendor's documentation
// says.
#include "e2e/recipes/recipe.h"
#include "e2e/recipes/server.h"
#include "support/mock_upstream.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace hangup::test {
namespace {

const FieldList json_type{{"Content-Type", "application/json"}};

class DocumentedApi : public ::testing::Test {
 protected:
  void SetUp() override { backend.otherwise(never_answer()); }
  static void leave_when(const std::string& what, Curl& client, const std::function<bool()>& condition) {
    eventually(what, condition);
    client.leave();
  }
  MockUpstream backend;
};

using Trino = DocumentedApi;

TEST_F(Trino, CancelsTheQueryByTheIdInTheFirstAnswer) {
  const Json first = {
      {"id", "20260102_030405_00007_abcde"},
      {"infoUri", "http://trino.example/ui/query.html?20260102_030405_00007_abcde"},
      {"nextUri", "http://trino.example/v1/statement/queued/20260102_030405_00007_abcde/y1/1"},
      {"stats", {{"state", "QUEUED"}, {"queued", true}}}};
  backend.on("/v1/statement", Script().after_body().send(chunked_head(200, json_type) + chunk(first.dump())));
  backend.on("/v1/query/20260102_030405_00007_abcde", respond(204));
  Recipe recipe("trino");
  Hangup& hangup = recipe.set("TRINO", backend.url()).start();
  Curl client(
      {hangup.url("/v1/statement"), "-H", "X-Trino-User: alice", "-d", "SELECT count(*) FROM lineitem"});
  leave_when("the first answer", client, [&] { return client.received().contains("nextUri"); });
  const auto cancel = backend.wait_for_whole_request("/v1/query/20260102_030405_00007_abcde").message;
  EXPECT_EQ(cancel.method, "DELETE");
  EXPECT_EQ(cancel.header("X-Trino-User"), "alice");
  wait_for_delivery(hangup, wait_for_departure(hangup));
}

TEST_F(Trino, DeletesTheUriThatTheClientWasAskingFor) {
  const std::string next = "/v1/statement/executing/20260102_030405_00007_abcde/y0123456789abcdef/3";
  backend.on(next, [](const RequestRecord& request) {
    return request.message.method == "DELETE" ? respond(204) : never_answer();
  });
  Recipe recipe("trino");
  Hangup& hangup = recipe.set("TRINO", backend.url()).start();
  Curl client({hangup.url(next)});
  EXPECT_EQ(backend.wait_for_request(next).message.method, "GET");
  client.leave();
  EXPECT_EQ(backend.wait_for_request(next, 2).message.method, "DELETE");
  wait_for_delivery(hangup, wait_for_departure(hangup));
}

TEST_F(Trino, SaysThatAQueryWithoutAKnownIdIsLeftToTrino) {
  Recipe recipe("trino");
  Hangup& hangup = recipe.set("TRINO", backend.url()).start();
  Curl client({hangup.url("/v1/statement"), "-H", "X-Trino-User: alice", "-d", "SELECT 1"});
  backend.wait_for_whole_request("/v1/statement");
  client.leave();
  const Json cleanup = wait_for_departure(hangup).at("cleanup");
  ASSERT_TRUE(cleanup.is_string()) << cleanup;
  EXPECT_TRUE(cleanup.get<std::string>().contains("response.json.id")) << cleanup;
}

using SgLang = DocumentedApi;

TEST_F(SgLang, AbortsTheRequestByThePlantedRid) {
  backend.on("/abort_request", respond(200));
  Recipe recipe("sglang");
  Hangup& hangup = recipe.set("SGLANG", backend.url()).start();
  for (const std::string path : {"/generate", "/v1/chat/completions", "/v1/completions"}) {
    Curl client(
        {hangup.url(path), "-H", "Content-Type: application/json", "-d", R"({"text": "x", "stream": true})"});
    const Json planted = Json::parse(backend.wait_for_whole_request(path).message.body);
    EXPECT_EQ(planted.at("text"), "x");
    EXPECT_EQ(planted.at("stream"), true);
    client.leave();
    const Json exchange = hangup.wait_for_log("the exchange for " + path, [&](const Json& line) {
      return line.at("type") == "exchange" && line.at("path") == path;
    });
    EXPECT_EQ(planted.at("rid"), exchange.at("request_id"));
    wait_for_delivery(hangup, exchange);
  }
  const auto abort = backend.wait_for_whole_request("/abort_request").message;
  EXPECT_EQ(abort.method, "POST");
  EXPECT_EQ(abort.header("Content-Type"), "application/json");
  const Json first = Json::parse(backend.wait_for_whole_request("/generate").message.body);
  EXPECT_EQ(Json::parse(abort.body), (Json{{"rid", first.at("rid")}}));
}

TEST_F(SgLang, LetsNoClientAbortTheRequestsOfOthers) {
  Recipe recipe("sglang");
  Hangup& hangup = recipe.set("SGLANG", backend.url()).start();
  EXPECT_EQ(ask(hangup.where(), post("/abort_request", R"({"rid": ""})", json_type)).status, 404);
  EXPECT_EQ(backend.request_count(), 0U);
}

using Vllm = DocumentedApi;

TEST_F(Vllm, IsToldByTheClosedConnectionAlone) {
  Recipe recipe("vllm");
  Hangup& hangup = recipe.set("VLLM", backend.url()).start();
  Curl client({hangup.url("/v1/chat/completions"), "-H", "Content-Type: application/json", "-d", "{}"});
  const RequestRecord request = backend.wait_for_whole_request("/v1/chat/completions");
  client.leave();
  backend.wait_for_close(request);
  EXPECT_EQ(request.message.header("X-Request-Id"),
            wait_for_departure(hangup).at("request_id").get<std::string>());
  hangup.stop();
  EXPECT_EQ(backend.request_count(), 1U);
}

using Jupyter = DocumentedApi;

TEST_F(Jupyter, InterruptsTheKernelOfTheCell) {
  const std::string kernel = "6f1a5c0e-9d3b-4b7e-8a52-0c4f8b2d7e11";
  MockUpstream jupyter;
  jupyter.on("/api/kernels/" + kernel + "/interrupt", respond(204));
  Recipe recipe("jupyter");
  Hangup& hangup =
      recipe.set("RUNNER", backend.url()).set("JUPYTER", jupyter.url()).set("JUPYTER_TOKEN", "t0ken").start();
  Curl client({hangup.url("/run/" + kernel), "-d", "while True: pass"});
  backend.wait_for_whole_request("/run/" + kernel);
  client.leave();
  const auto interrupt = jupyter.wait_for_whole_request("/api/kernels/" + kernel + "/interrupt").message;
  EXPECT_EQ(interrupt.method, "POST");
  EXPECT_EQ(interrupt.header("Authorization"), "token t0ken");
  EXPECT_EQ(interrupt.body, "");
  wait_for_delivery(hangup, wait_for_departure(hangup));
}

class Elasticsearch : public DocumentedApi {
 protected:
  Elasticsearch() { helper.wait_until_ready(canceller, "/", 501); }

  // A task as GET /_tasks shows it.
  static Json task(int id, const std::string& opaque_id) {
    return {{"node", "oTUltX4IQMOUUVeiohTt8A"},
            {"id", id},
            {"type", "transport"},
            {"action", "indices:data/write/update/byquery"},
            {"start_time_in_millis", 1767323045000},
            {"running_time_in_nanos", 13991383},
            {"cancellable", true},
            {"cancelled", false},
            {"headers", {{"X-Opaque-Id", opaque_id}}}};
  }
  static std::string tasks(const Json& of_the_node) {
    return Json{{"nodes",
                 {{"oTUltX4IQMOUUVeiohTt8A",
                   {{"name", "H5dfFeA"}, {"transport_address", "127.0.0.1:9300"}, {"tasks", of_the_node}}}}}}
        .dump();
  }

  SocketAddress canceller = address(own_host() + ":19201");
  Server helper{{"/usr/bin/env", "ELASTICSEARCH=" + backend.url(), "/usr/bin/python3", "-B",
                 std::string(RECIPES) + "/elasticsearch-cancel.py", canceller.to_string()},
                "python3"};
  Recipe recipe{"elasticsearch"};
};

TEST_F(Elasticsearch, CancelsTheTasksWithThePlantedOpaqueIdAndNoOthers) {
  Hangup& hangup = recipe.set("ELASTICSEARCH", backend.url())
                       .set("ELASTICSEARCH_CANCEL", "http://" + canceller.to_string())
                       .start();
  Curl client({hangup.url("/twitter/_update_by_query?conflicts=proceed"), "-X", "POST"});
  const auto update = backend.wait_for_whole_request("/twitter/_update_by_query").message;
  const std::string opaque_id = update.header("X-Opaque-Id").value_or("");
  Json part = task(9, opaque_id);
  part["parent_task_id"] = "oTUltX4IQMOUUVeiohTt8A:8";
  const Json all{{"oTUltX4IQMOUUVeiohTt8A:7", task(7, "of-somebody-else")},
                 {"oTUltX4IQMOUUVeiohTt8A:8", task(8, opaque_id)},
                 {"oTUltX4IQMOUUVeiohTt8A:9", part}};
  // At first the task is not there yet.
  backend.on("/_tasks",
             in_turn({respond(200, R"({"nodes": {}})", json_type), respond(200, tasks(all), json_type)}));
  backend.on("/_tasks/oTUltX4IQMOUUVeiohTt8A:8/_cancel", respond(200, tasks(Json::object()), json_type));
  client.leave();
  EXPECT_EQ(backend.wait_for_whole_request("/_tasks/oTUltX4IQMOUUVeiohTt8A:8/_cancel").message.method,
            "POST");
  const Json exchange = wait_for_departure(hangup);
  EXPECT_EQ(opaque_id, exchange.at("request_id").get<std::string>());
  EXPECT_EQ(wait_for_delivery(hangup, exchange).at("attempt"), 2);
  EXPECT_EQ(backend.request_count(), 4U);  // the update, two looks at the tasks, one cancel
}

TEST_F(Elasticsearch, StopsASearchByTheClosedConnection) {
  Hangup& hangup = recipe.set("ELASTICSEARCH", backend.url()).start();
  Curl client({hangup.url("/twitter/_search"), "-H", "Content-Type: application/json", "-d", "{}"});
  const RequestRecord search = backend.wait_for_whole_request("/twitter/_search");
  EXPECT_TRUE(search.message.has("X-Opaque-Id"));
  client.leave();
  backend.wait_for_close(search);
  hangup.stop();
  EXPECT_EQ(backend.request_count(), 1U);
}

}  // namespace
}  // namespace hangup::test
