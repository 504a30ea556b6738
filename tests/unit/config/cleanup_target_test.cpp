// Where cleanups go: to, url and tls.
#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hangup::config {
namespace {

using testing::ElementsAre, testing::HasSubstr, testing::IsEmpty, testing::StartsWith;

std::string with_target(const std::string& members) {
  return "listeners: [{address: \"127.0.0.1:0\"}]\n"
         "upstreams: {app: {servers: [\"http://127.0.0.1:9000\"]}}\n"
         "routes: [{upstream: app}]\n"
         "cleanups:\n"
         "  c: {" +
         members + "}\n";
}

// The § marks where a problem of the URL is said to be.
std::string with_url(const std::string& url) {
  return with_target("url: §\"" + url + "\"");
}

std::string with_tls(const std::string& members) {
  return with_target("url: \"https://h/\", tls: {" + members + "}");
}

std::shared_ptr<const Cleanup> cleanup_to(const std::string& members) {
  const auto config = valid(with_target(members));
  return config->cleanups.empty() ? std::make_shared<const Cleanup>() : config->cleanups.front();
}

constexpr std::string_view url_expected =
    "expected an absolute URL such as http://127.0.0.1:9000/jobs/{request.id}";

TEST(CleanupTarget, UrlsGoWhereTheFileSays) {
  const std::string steered = "`url`: scheme, host and port have to be written out";
  for (const std::string url :
       {"{request.header.x}", "{request.header.x}://h/", "h/x", "ftp://h/", "http:/h"}) {
    expect_problem(with_url(url), steered + "; " + std::string(url_expected));
  }
  for (const std::string url : {"http://{request.host}/", "http://h{request.path}", "http://h:{client.port}/",
                                "http://h:80{request.path|raw}", "https://h{request.path}"}) {
    expect_problem(with_url(url), StartsWith(steered));
  }
  for (const std::string url :
       {"http://h/{request.path}", "http://h?{request.query}", "HTTP://[::1]:80/{route}", "http://h",
        "https://h:8443/{request.id}", "HTTPS://[::1]/", "https://h"}) {
    EXPECT_THAT(problems(with_target("url: \"" + url + "\"")), IsEmpty()) << url;
  }
}

TEST(CleanupTarget, UrlsAreFitForARequest) {
  EXPECT_THAT(problems(with_target("method: POST")),
              ElementsAre("5:6: `url` is missing, " + std::string(url_expected)));
  for (const std::string scheme : {"http", "https"}) {
    expect_problem(with_url(scheme + "://u:p@h/"), "`url`: a URL here has no user and no password");
    expect_problem(with_url(scheme + "://h:99999/"),
                   "`url`: `h:99999` is no host with an optional port from 1 to 65535");
  }
  for (const std::string url :
       {"http://h/a b", "http://h/#f", "http://h/{route}\\r\\nX: y", "http://h/\xc3\xa9"}) {
    expect_problem(with_url(url), StartsWith("`url`: a blank, a # or another character"));
  }
  expect_problem(with_url("http://h/../{route}"), StartsWith("`url`: a URL with dot segments"));
}

TEST(CleanupTarget, ServersOfTheUpstreamGetAPath) {
  EXPECT_EQ(cleanup_to("url: \"http://h/\"")->to, Cleanup::To::url);
  EXPECT_EQ(cleanup_to("to: url, url: \"http://h/\"")->to, Cleanup::To::url);
  const auto same = cleanup_to("to: same_server, url: \"/jobs/{request.id}?force=1\"");
  EXPECT_EQ(same->to, Cleanup::To::same_server);
  EXPECT_EQ(same->url.text(), "/jobs/{request.id}?force=1");
  EXPECT_EQ(cleanup_to("to: every_server, url: /")->to, Cleanup::To::every_server);
  expect_problem(with_target("to: §same-server, url: /"),
                 "`to`: found `same-server`, expected url, same_server or every_server; did you mean "
                 "`same_server`?");
}

TEST(CleanupTarget, APathAndAUrlAreNotMixedUp) {
  expect_problem(
      with_url("/jobs/{request.id}"),
      "`url`: a path alone needs `to: same_server` or `to: every_server`; " + std::string(url_expected));
  for (const std::string to : {"same_server", "every_server"}) {
    for (const std::string url : {"http://h/", "{request.path|raw}", "jobs", "?x=1"}) {
      expect_problem(with_target("to: " + to + ", url: §\"" + url + "\""),
                     "`url`: `to: " + to +
                         "` fills in scheme, host and port; expected a path such as /jobs/{request.id}");
    }
    expect_problem(with_target("to: " + to + ", url: §\"/a/../b\""),
                   StartsWith("`url`: a URL with dot segments"));
    expect_problem(with_target("to: " + to + ", url: §\"/a b\""), StartsWith("`url`: a blank, a # or"));
    EXPECT_THAT(problems(with_target("to: " + to)),
                ElementsAre("5:6: `url` is missing, expected a path such as /jobs/{request.id}"));
  }
}

TEST(CleanupTarget, TlsNamesItsFiles) {
  const TempFile ca("ca"), cert("cert"), key("key");
  const ClientTls tls = cleanup_to("url: \"https://h/\", tls: {ca: " + ca.path() + ", cert: " + cert.path() +
                                   ", key: " + key.path() + ", server_name: hooks.example.com}")
                            ->tls;
  EXPECT_EQ(tls.ca, ca.path());
  EXPECT_EQ(tls.certificate, cert.path());
  EXPECT_EQ(tls.key, key.path());
  EXPECT_EQ(tls.server_name, "hooks.example.com");
  const ClientTls usual = cleanup_to("url: \"https://h/\"")->tls;
  EXPECT_TRUE(usual.ca.empty() && usual.certificate.empty() && usual.key.empty() &&
              usual.server_name.empty());
}

TEST(CleanupTarget, TlsFilesHaveToBeThere) {
  expect_problem(with_tls("ca: §/nowhere/ca.pem"),
                 "`ca`: /nowhere/ca.pem: can't be read: No such file or directory");
  expect_problem(with_tls("ca: §/tmp"), "`ca`: /tmp: can't be read: Is a directory");
  const TempFile file("x");
  expect_problem(with_tls("cert: " + file.path() + ", key: §/nowhere/key.pem"),
                 "`key`: /nowhere/key.pem: can't be read: No such file or directory");
  expect_problem(with_tls("§cert: " + file.path()),
                 "`cert` without its `key`: a client certificate needs both");
  expect_problem(with_tls("§key: " + file.path()),
                 "`key` without its `cert`: a client certificate needs both");
  for (const std::string name : {"\"h:443\"", "\"a b\"", "\"[::1]\"", "\"https://h\""}) {
    expect_problem(with_tls("server_name: §" + name), HasSubstr("expected a host without a port"));
  }
}

TEST(CleanupTarget, TlsIsNotForPlainHttp) {
  expect_problem(with_target("url: \"http://h/\", §tls: {server_name: h}"),
                 "`tls` is for https, and the url says http");
  EXPECT_THAT(problems(with_target("url: \"HTTPS://h/\", tls: {server_name: h}")), IsEmpty());
  EXPECT_THAT(problems(with_target("to: same_server, url: /, tls: {server_name: h}")), IsEmpty());
}

}  // namespace
}  // namespace hangup::config
