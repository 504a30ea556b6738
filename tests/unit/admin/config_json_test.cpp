// The configuration as /config shows it.
#include "admin/config_json.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

namespace hangup::admin {
namespace {

using nlohmann::ordered_json;

std::shared_ptr<const config::Config> parsed(const std::string& text) {
  auto config = config::parse(text, "test.yaml");
  std::string problems;
  if (!config) {
    for (const config::Problem& problem : config.error())
      problems += config::to_string(problem, "test.yaml") + "\n";
  }
  EXPECT_TRUE(config) << problems << text;
  return config ? *config : nullptr;
}

std::string with_cleanup(const std::string& cleanup, const std::string& route = {}) {
  return "listeners: [{name: public, address: \"127.0.0.1:8080\"}]\n"
         "upstreams: {u: {servers: [\"http://127.0.0.1:1\"]}}\n"
         "routes: [{upstream: u, on_disconnect: {cleanup: stop}" +
         route + "}]\ncleanups: {stop: {url: \"http://127.0.0.1:2/\", " + cleanup + "}}\n";
}

// Without what stands for nothing.
ordered_json only_what_is_there(const ordered_json& json) {
  if (!json.is_structured()) return json;
  ordered_json rest = json.is_array() ? ordered_json::array() : ordered_json::object();
  for (const auto& [key, value] : json.items()) {
    const ordered_json part = only_what_is_there(value);
    if (part.is_null() || (part.is_structured() && part.empty())) continue;
    if (json.is_array()) {
      rest.push_back(part);
    } else {
      rest[key] = part;
    }
  }
  return rest;
}

TEST(ConfigJson, IsAConfigurationOfTheSameEffect) {
  std::ifstream file(HANGUP_SOURCE_DIR "/conf/hangup.yaml");
  std::stringstream text;
  text << file.rdbuf();
  const auto config = parsed(text.str());
  ASSERT_TRUE(config);
  const ordered_json shown = config_json(*config);
  ordered_json written = only_what_is_there(shown);
  written.erase("file");
  written["listeners"][0]["trusted_proxies"] = ordered_json::array({"10.0.0.0/8"});
  written["routes"][0]["allow"] = ordered_json::array({"10.0.0.0/8"});
  const auto again = parsed(written.dump(1));  // JSON is YAML
  ASSERT_TRUE(again);
  const ordered_json twice = config_json(*again);
  EXPECT_EQ(twice["listeners"][0]["trusted_proxies"], ordered_json::array({"10.0.0.0/8"}));
  EXPECT_EQ(twice["routes"][0]["allow"], ordered_json::array({"10.0.0.0/8"}));
  ordered_json rest = only_what_is_there(twice);
  rest.erase("file");
  EXPECT_EQ(nlohmann::json::parse(rest.dump()), nlohmann::json::parse(written.dump()));
}

TEST(ConfigJson, ShowsWhatIsNotTheDefaultAsItWasSaid) {
  const auto config = parsed(
      "listeners: [{name: public, address: \"127.0.0.1:8080\", limits: {when_full: reject}}]\n"
      "upstreams: {u: {servers: [\"http://127.0.0.1:1\"], required: true, balance: least_requests, host: "
      "server}}\nroutes: [{upstream: u, on_disconnect: {upstream: finish, half_close: wait}, heartbeat: "
      "{kind: "
      "newline}}]\naccess_log: off\n");
  ASSERT_TRUE(config);
  const ordered_json shown = config_json(*config);
  EXPECT_EQ(shown["listeners"][0]["limits"]["when_full"], "reject");
  EXPECT_EQ(shown["upstreams"]["u"]["required"], true);
  EXPECT_EQ(shown["upstreams"]["u"]["balance"], "least_requests");
  EXPECT_EQ(shown["upstreams"]["u"]["host"], "server");
  EXPECT_EQ(shown["routes"][0]["on_disconnect"]["upstream"], "finish");
  EXPECT_EQ(shown["routes"][0]["on_disconnect"]["half_close"], "wait");
  EXPECT_EQ(shown["routes"][0]["heartbeat"]["kind"], "newline");
  EXPECT_EQ(shown["access_log"], "off");
  EXPECT_EQ(shown["admin"]["address"], nullptr);
}

TEST(ConfigJson, ShowsHowLogsAreWrittenAndTracesKept) {
  const std::string before =
      "listeners: [{name: public, address: \"127.0.0.1:8080\", trace: start}]\n"
      "upstreams: {u: {servers: [\"http://127.0.0.1:1\"]}}\nroutes: [{upstream: u}]\n";
  const auto combined = parsed(before + "access_log: {path: syslog, format: combined, sample: 0.25}\n");
  ASSERT_TRUE(combined);
  const ordered_json shown = config_json(*combined);
  EXPECT_EQ(shown["listeners"][0]["trace"], "start");
  EXPECT_EQ(shown["access_log"],
            ordered_json({{"path", "syslog"}, {"format", "combined"}, {"sample", 0.25}}));
  const auto line = parsed(before + "access_log: {format: '{status} {{x'}\n");
  ASSERT_TRUE(line);
  EXPECT_EQ(config_json(*line)["access_log"]["format"], "{status} {{x");
}

TEST(ConfigJson, ShowsHowServersAreChosenAsItWasSaid) {
  const auto config = parsed(
      "listeners: [{name: public, address: \"127.0.0.1:8080\"}]\n"
      "upstreams:\n"
      "  h: {servers: [{url: \"http://127.0.0.1:1\", weight: 0}, \"http://127.0.0.1:2\"], balance: "
      "\"hash({client.ip})\",\n"
      "      slow_start: 30s, retries: {attempts: 1, on: [503, connect], budget: 5%}}\n"
      "  r: {servers: [\"http://127.0.0.1:1\"], balance: random_two}\n"
      "routes: [{upstream: h}]\n");
  ASSERT_TRUE(config);
  const ordered_json shown = config_json(*config)["upstreams"];
  EXPECT_EQ(shown["h"]["servers"][0]["weight"], 0);
  EXPECT_EQ(shown["h"]["servers"][1]["weight"], 1);
  EXPECT_EQ(shown["h"]["balance"], "hash({client.ip})");
  EXPECT_EQ(shown["h"]["slow_start"], "30s");
  EXPECT_EQ(shown["h"]["retries"]["attempts"], 1);
  EXPECT_EQ(shown["h"]["retries"]["on"], (ordered_json{"connect", 503}));
  EXPECT_EQ(shown["h"]["retries"]["budget"], "5%");
  EXPECT_EQ(shown["r"]["balance"], "random_two");
}

TEST(ConfigJson, ShowsNoSecret) {
  ::setenv("HANGUP_TEST_SECRET", "s3cret", 1);
  const auto config = parsed(
      with_cleanup("headers: {Authorization: \"Bearer s3cret\", X-Note: \"${HANGUP_TEST_SECRET}\"}, body: "
                   "'{\"token\":\"s3cret\"}', signing_secret: whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0",
                   ", request: {set_header: {X-Api-Key: s3cret}, set_query: {token: s3cret}, set_json: "
                   "{auth.key: s3cret}}"));
  ASSERT_TRUE(config);
  const ordered_json shown = config_json(*config);
  const std::string text = shown.dump();
  EXPECT_FALSE(text.contains("s3cret")) << text;
  EXPECT_FALSE(text.contains("c2Vjcm")) << text;
  EXPECT_EQ(shown["cleanups"]["stop"]["headers"]["X-Note"], "${HANGUP_TEST_SECRET}");
  EXPECT_EQ(shown["cleanups"]["stop"]["signing_secret"], "(not shown)");
}

TEST(ConfigJson, HidesParametersOfAUrlByTheirNames) {
  const auto config = parsed(
      "listeners: [{name: public, address: \"127.0.0.1:8080\"}]\n"
      "upstreams: {u: {servers: [\"http://127.0.0.1:1\"]}}\nroutes: [{upstream: u}]\n"
      "cleanups: {stop: {url: \"http://127.0.0.1:2/a?id={request.id}&api_key=s3cret&b=c\"}}\n");
  ASSERT_TRUE(config);
  EXPECT_EQ(config_json(*config)["cleanups"]["stop"]["url"],
            "http://127.0.0.1:2/a?id={request.id}&api_key=(not shown)&b=c");
}

}  // namespace
}  // namespace hangup::admin
