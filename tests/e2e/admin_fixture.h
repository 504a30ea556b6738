// A hangup with an admin listener, and what its pages say.
#pragma once

#include "e2e/fixture.h"

#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace hangup::test {

class AdminTest : public EndToEnd {
 protected:
  AdminTest() {
    upstream.on("/quick", respond(200, "quick"));
    upstream.on("/work", never_answer());
  }

  // `more` is YAML at the top level.
  void start_with(const std::string& more = {}, const Yaml& yaml = {}) {
    hangup = std::make_unique<Hangup>(configuration(yaml) + "admin: {address: \"127.0.0.1:0\"}\n" + more);
  }
  SocketAddress admin() const {
    const std::string log = hangup->log();
    const std::string key = "admin listens at=";
    const std::size_t at = log.find(key) + key.size();
    return address(log.substr(at, log.find('\n', at) - at));
  }
  Response page(const std::string& path, std::string_view method = "GET", std::string_view body = {},
                const FieldList& fields = {}) const {
    return Client(admin()).exchange(request(method, path, fields, body), method);
  }
  Json json(const std::string& path) const { return Json::parse(page(path).body); }
  Json post(const std::string& path, const Json& body, int status = 200) const {
    const Response response = page(path, "POST", body.dump());
    EXPECT_EQ(response.status, status) << response.body;
    return Json::parse(response.body);
  }
  // From /metrics: samples by their names and labels as they are written.
  std::map<std::string, double> samples() const {
    std::map<std::string, double> samples;
    std::istringstream lines(page("/metrics").body);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with('#')) continue;
      const std::size_t blank = line.rfind(' ');
      samples[line.substr(0, blank)] = std::stod(line.substr(blank + 1));
    }
    return samples;
  }
  double value(const std::string& sample) const {
    const auto all = samples();
    const auto found = all.find(sample);
    if (found == all.end()) throw std::runtime_error("there is no sample " + sample);
    return found->second;
  }
  void wait_for(const std::string& sample, double expected) const {
    eventually(sample + " to be " + std::to_string(expected), [&] {  // or to be there
      const auto all = samples();
      const auto found = all.find(sample);
      return found != all.end() && found->second == expected;
    });
  }
  bool is_ready() const { return page("/ready").status == 200; }
  // A client leaves while its request is at the upstream, which has had `nth` of this kind then.
  void leave(std::size_t nth) {
    Client client = connect();
    client.send(get("/work"));
    const RequestRecord request = upstream.wait_for_request("/work", nth);
    client.close();
    upstream.wait_for_close(request);
  }
  // The same where the work goes on without its client, which is known to have gone when this returns.
  RequestRecord leave_work_behind() {
    Client client = connect();
    client.send(get("/work"));
    const RequestRecord request = upstream.wait_for_request("/work");
    client.close();
    eventually("its client to be gone", [&] {
      const Json exchanges = json("/exchanges").at("exchanges");
      return exchanges.size() == 1 && exchanges.at(0).at("client_gone") == true;
    });
    return request;
  }
};

}  // namespace hangup::test
