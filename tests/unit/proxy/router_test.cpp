#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include <hangup/config/path.h>
#include <hangup/proxy/router.h>

namespace hangup::proxy {
namespace {

using testing::ElementsAre, testing::IsEmpty, testing::Pair;

struct Rule {
  std::string path = "/*";
  std::optional<std::string> host = std::nullopt;
  std::vector<std::string> methods = {};
};

// Routes named after their place in the list, "0", "1", ...
Router router(const std::vector<Rule>& rules) {
  auto config = std::make_shared<config::Config>();
  for (const Rule& rule : rules) {
    config::Route route;
    route.name = std::to_string(config->routes.size());
    auto pattern = config::compile_path_pattern(rule.path);
    if (!pattern) ADD_FAILURE() << pattern.error().message;
    route.match = {.host = rule.host, .path = std::move(*pattern), .methods = rule.methods};
    config->routes.push_back(std::move(route));
  }
  return Router(std::move(config));
}

std::string name_of(const RouteMatch& match) {
  return match.route == nullptr ? "none" : match.route->name;
}

bool path_matches(const std::string& pattern, std::string_view path) {
  return name_of(router({{.path = pattern}}).match("GET", "h", path)) == "0";
}

bool host_matches(const std::string& pattern, std::string_view host) {
  return name_of(router({{.host = pattern}}).match("GET", host, "/")) == "0";
}

TEST(Router, FirstMatchWins) {
  const Router routes = router({{.path = "/reports/today"}, {.path = "/reports/{id}"}, {}});
  EXPECT_EQ(name_of(routes.match("GET", "h", "/reports/today")), "0");
  EXPECT_EQ(name_of(routes.match("GET", "h", "/reports/7")), "1");
  EXPECT_EQ(name_of(routes.match("GET", "h", "/other")), "2");
}

TEST(Router, ExactPathsMatchNothingElse) {
  EXPECT_TRUE(path_matches("/a/b", "/a/b"));
  EXPECT_FALSE(path_matches("/a/b", "/a/b/"));
  EXPECT_FALSE(path_matches("/a/b", "/a"));
  EXPECT_FALSE(path_matches("/a/b", "/a/b/c"));
  EXPECT_FALSE(path_matches("/a/b", "/a/bb"));
  EXPECT_FALSE(path_matches("/a/b", "/A/b"));
  EXPECT_TRUE(path_matches("/", "/"));
  EXPECT_FALSE(path_matches("/", "/a"));
  EXPECT_TRUE(path_matches("/a/", "/a/"));
  EXPECT_FALSE(path_matches("/a/", "/a"));
}

TEST(Router, PrefixesMatchThemselvesAndAllBelow) {
  for (const std::string_view path : {"/x", "/x/", "/x/a", "/x/a/b", "/x//"})
    EXPECT_TRUE(path_matches("/x/*", path)) << path;
  for (const std::string_view path : {"/", "/xy", "/y/x", "/X"})
    EXPECT_FALSE(path_matches("/x/*", path)) << path;
  for (const std::string_view path : {"/", "/a", "//", "*"}) EXPECT_TRUE(path_matches("/*", path)) << path;
}

TEST(Router, ACaptureIsOneSegmentThatIsNotEmpty) {
  EXPECT_TRUE(path_matches("/r/{id}", "/r/7"));
  EXPECT_FALSE(path_matches("/r/{id}", "/r/"));
  EXPECT_FALSE(path_matches("/r/{id}", "/r"));
  EXPECT_FALSE(path_matches("/r/{id}", "/r/7/8"));
  EXPECT_TRUE(path_matches("/r/{id}/x", "/r/7/x"));
  EXPECT_FALSE(path_matches("/r/{id}/x", "/r//x"));
  EXPECT_TRUE(path_matches("/r/{id}/*", "/r/7"));
}

TEST(Router, CapturesAreDecodedOnce) {
  const Router routes = router({{.path = "/{tenant}/r/{id}/*"}});
  const RouteMatch match = routes.match("GET", "h", "/a%20b/r/c%2Fd%252F/rest");
  EXPECT_THAT(match.captures, ElementsAre(Pair("tenant", "a b"), Pair("id", "c/d%2F")));
  EXPECT_THAT(router({{}}).match("GET", "h", "/a").captures, IsEmpty());
}

TEST(Router, CapturesOutliveThePath) {
  const Router routes = router({{.path = "/r/{id}"}});
  std::string path = "/x/../r/%37";
  const RouteMatch match = routes.match("GET", "h", path);
  path.assign(path.size(), '#');
  EXPECT_THAT(match.captures, ElementsAre(Pair("id", "7")));
}

TEST(Router, ARouteIsNotGoneRoundBySpelling) {
  const Router routes = router({{.path = "/admin/*"}, {}});
  for (const std::string_view path : {"/admin/x", "/%61dmin/x", "/public/../admin/x",
                                      "/public/%2e%2e/admin/x", "/./admin", "/admin/../admin", "/../admin"}) {
    EXPECT_EQ(name_of(routes.match("GET", "h", path)), "0") << path;
  }
  for (const std::string_view path : {"/admin/../x", "/admin%2Fx", "/admin/%2e%2e/"}) {
    EXPECT_EQ(name_of(routes.match("GET", "h", path)), "1") << path;
  }
}

TEST(Router, ARouteIsNotGoneRoundByEncodingWhatNeedsNone) {
  const Router routes = router({{.path = "/jobs:cancel/@me,%22/*"}, {}});
  for (const std::string_view path :
       {"/jobs:cancel/@me,%22/x", "/jobs%3Acancel/%40me%2c\"", "/jobs%3acancel/@me,\"/x"}) {
    EXPECT_EQ(name_of(routes.match("GET", "h", path)), "0") << path;
  }
  EXPECT_EQ(name_of(routes.match("GET", "h", "/jobs%253Acancel/@me,%22/x")), "1");
  EXPECT_EQ(name_of(router({{.path = "/a%2fb"}, {}}).match("GET", "h", "/a/b")), "1");
  EXPECT_EQ(name_of(router({{.path = "/a%2fb"}, {}}).match("GET", "h", "/a%2Fb")), "0");
}

TEST(Router, HostsCompareWithoutCaseAndPort) {
  for (const std::string_view host :
       {"example.com", "EXAMPLE.com:8080", "example.com:", "example.com.", "example.com.:80"}) {
    EXPECT_TRUE(host_matches("Example.Com", host)) << host;
  }
  for (const std::string_view host :
       {"", "example.org", "www.example.com", "xexample.com", "example.com.evil.org"}) {
    EXPECT_FALSE(host_matches("example.com", host)) << host;
  }
  EXPECT_TRUE(host_matches("[::1]", "[::1]:80"));
  EXPECT_TRUE(host_matches("[::1]", "[::1]"));
  EXPECT_FALSE(host_matches("[::1]", "[::2]:80"));
  EXPECT_FALSE(host_matches("example.com", "["));
}

TEST(Router, AWildcardHostStandsForOneLabelOrMore) {
  for (const std::string_view host : {"a.example.com", "a.b.EXAMPLE.com:1"}) {
    EXPECT_TRUE(host_matches("*.example.com", host)) << host;
  }
  for (const std::string_view host : {"example.com", ".example.com", "aexample.com", ""}) {
    EXPECT_FALSE(host_matches("*.example.com", host)) << host;
  }
}

TEST(Router, MethodsCompareWithCase) {
  const Router routes = router({{.methods = {"POST", "PUT"}}});
  EXPECT_EQ(name_of(routes.match("PUT", "h", "/")), "0");
  EXPECT_EQ(name_of(routes.match("put", "h", "/")), "none");
}

TEST(Router, NamesTheAllowedMethodsWhereOnlyTheMethodIsWrong) {
  const Router routes = router({{.path = "/r", .methods = {"POST", "PUT"}},
                                {.path = "/r", .methods = {"PUT", "DELETE"}},
                                {.path = "/r", .host = "other", .methods = {"PATCH"}},
                                {.path = "/s", .methods = {"GET"}}});
  const RouteMatch wrong = routes.match("GET", "h", "/r");
  EXPECT_EQ(wrong.route, nullptr);
  EXPECT_THAT(wrong.allowed_methods, ElementsAre("POST", "PUT", "DELETE"));
  EXPECT_THAT(routes.match("DELETE", "h", "/r").allowed_methods, IsEmpty());
  const RouteMatch unknown = routes.match("GET", "h", "/nowhere");
  EXPECT_EQ(unknown.route, nullptr);
  EXPECT_THAT(unknown.allowed_methods, IsEmpty());
}

}  // namespace
}  // namespace hangup::proxy
