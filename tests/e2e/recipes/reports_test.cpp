// Servers of four kinds, real ones, with the same two reports: one that finds out when its connection closes,
// and one that does not and has to be told. What each has done and how it ended is asked of the server
// itself.
#include "e2e/recipes/recipe.h"
#include "e2e/recipes/server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>

namespace hangup::test {
namespace {

const std::filesystem::path backends = BACKENDS;

class Backend {
 public:
  virtual ~Backend() = default;
  const SocketAddress& where() const { return where_; }

 protected:
  SocketAddress where_ = address(own_host() + ":19000");
};

class Hyper : public Backend {
 public:
  Hyper() { server_.wait_until_ready(where_, "/state"); }

 private:
  Server server_{{HYPER_BACKEND, where_.to_string()}, "cargo librust-hyper-dev librust-tokio-dev"};
};

class FastApi : public Backend {
 public:
  FastApi() { server_.wait_until_ready(where_, "/state"); }

 private:
  Server server_{{"/usr/bin/python3", "-B", "-m", "uvicorn", "--app-dir", backends.string(), "--host",
                  where_.host(), "--port", std::to_string(where_.port()), "app:app"},
                 "python3-fastapi uvicorn"};
};

class Node : public Backend {
 public:
  Node() { server_.wait_until_ready(where_, "/state"); }

 private:
  Server server_{
      {"/usr/bin/node", (backends / "server.js").string(), where_.host(), std::to_string(where_.port())},
      "nodejs"};
};

class PhpFpm : public Backend {
 public:
  PhpFpm() { nginx_.wait_until_ready(where_, "/state"); }

 private:
  std::string configuration(const std::string& name) const {
    const auto file = dir_ / name;
    std::filesystem::create_directories(dir_ / "state");
    write_file(file, filled_in(backends / "php" / name, {{"DIR", dir_.path().string()},
                                                         {"ROOT", (backends / "php").string()},
                                                         {"ADDRESS", where_.to_string()}}));
    return file.string();
  }

  TempDir dir_;
  // As root only if the test is; its workers end with it if it ends by itself.
  Server fpm_{
      {"/usr/sbin/php-fpm8.2", "-R", "-n", "-F", "-y", configuration("fpm.conf")}, "php8.2-fpm", SIGTERM};
  Server nginx_{
      {"/usr/sbin/nginx", "-e", "stderr", "-p", dir_.path().string(), "-c", configuration("nginx.conf")},
      "nginx"};
};

struct Kind {
  std::string name;
  std::string recipe;
  std::string variable;  // of the recipe, for the server's URL
  std::function<std::unique_ptr<Backend>()> start;
};

class Reports : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    backend_ = GetParam().start();
    recipe.set(GetParam().variable, "http://" + backend_->where().to_string());
  }

  // A client that waits for a report, on which the server works.
  std::unique_ptr<Curl> ask_for(const std::string& report, const Hangup& hangup) const {
    auto client =
        std::make_unique<Curl>(std::vector<std::string>{"-X", "POST", hangup.url("/reports/" + report)});
    eventually("the server to work", [&] {
      const Json works = Json::parse(ask(backend_->where(), get("/state")).body);
      return works.size() == 1 && works.front().at("steps") > 3;
    });
    return client;
  }
  Json work_of(const Json& exchange) const {
    return Json::parse(ask(backend_->where(), get("/state")).body)
        .at(exchange.at("request_id").get<std::string>());
  }
  void wait_for_end(const Json& exchange, const std::string& how) const {
    eventually("the work to have been " + how, [&] { return work_of(exchange).at("state") != "running"; });
    EXPECT_EQ(work_of(exchange).at("state"), how);
  }

  std::unique_ptr<Backend> backend_;
  Recipe recipe{GetParam().recipe};  // ends before the server, which takes its last calls
};

TEST_P(Reports, ThatWatchTheirConnectionEndByTheAbort) {
  Hangup& hangup = recipe.start();
  ask_for("loop", hangup)->leave();
  wait_for_end(wait_for_departure(hangup), "aborted");
}

TEST_P(Reports, ThatWatchNothingEndByTheCleanup) {
  Hangup& hangup = recipe.start();
  ask_for("job", hangup)->leave();
  const Json exchange = wait_for_departure(hangup);
  wait_for_end(exchange, "cancelled");
  EXPECT_EQ(wait_for_delivery(hangup, exchange).at("status"), 204);
}

TEST_P(Reports, ThatWatchNothingGoOnWhenNobodyTellsThem) {
  Hangup& hangup = recipe.without_cleanups().start();
  ask_for("job", hangup)->leave();
  const Json exchange = wait_for_departure(hangup);
  const auto steps = work_of(exchange).at("steps").get<int>();
  eventually("more of a report that nobody waits for",
             [&] { return work_of(exchange).at("steps").get<int>() > steps + 20; });
  EXPECT_EQ(work_of(exchange).at("state"), "running");
}

INSTANTIATE_TEST_SUITE_P(
    Real, Reports,
    ::testing::Values(Kind{"Hyper", "hyper", "HYPER", [] { return std::make_unique<Hyper>(); }},
                      Kind{"FastApi", "job-api", "APP", [] { return std::make_unique<FastApi>(); }},
                      Kind{"Node", "job-api", "APP", [] { return std::make_unique<Node>(); }},
                      Kind{"PhpFpm", "php-fpm", "NGINX", [] { return std::make_unique<PhpFpm>(); }}),
    [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace hangup::test
