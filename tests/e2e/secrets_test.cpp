// What is secret stays so, whatever is logged or printed; and files with secrets are their owner's alone.
#include "e2e/fixture.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>

namespace hangup::test {
namespace {

using testing::HasSubstr, testing::Not;

class Secrets : public EndToEnd {
 protected:
  // Everything that a command says.
  std::string said_by(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), binary());
    const Finished finished = ::hangup::test::run(std::move(arguments));
    return finished.out + finished.err;
  }
  TempDir dir_;
};

TEST_F(Secrets, AreInNoLogAndInNoOutput) {
  const std::string signing = "c2lnbmluZ3MzY3JldHNpZ25pbmdzM2NyZXQx";
  // SHA-256 of s3cret-token
  const Finished hash = ::hangup::test::run({"sh", "-c", "printf %s s3cret-token | sha256sum"});
  write_file(dir_ / "tokens", hash.out.substr(0, 64) + " anna\n");
  write_file(dir_ / "signing", "whsec_" + signing + "\n");
  write_file(dir_ / "header", "Bearer s3cret-header\n");
  upstream.otherwise(never_answer());
  hangup = std::make_unique<Hangup>(
      configuration(
          {.route = "request: {set_header: {X-Api-Key: s3cret-key}}",
           .cleanup = fmt::format("signing_secret_file: \"{}\", headers: {{Authorization: {{file: \"{}\"}}}}",
                                  (dir_ / "signing").string(), (dir_ / "header").string()),
           .cleanup_url = receiver.url("/stop?key=s3cret-query")}) +
      "auth: {bearer_tokens_file: \"" + (dir_ / "tokens").string() + "\"}\n");
  Client client = connect();
  client.send(get("/work?key=s3cret-parameter", {{"Authorization", "Bearer s3cret-token"},
                                                 {"Cookie", "session=s3cret-cookie"},
                                                 {"Proxy-Authorization", "Basic s3cret-proxy"}}));
  upstream.wait_for_requests(1);
  client.reset();
  const Call call = receiver.wait_for_call();
  EXPECT_EQ(call.message.header("Authorization"), "Bearer s3cret-header");
  EXPECT_EQ(connect().exchange(get("/work", {{"Authorization", "Bearer s3cret-wrong"}})).status, 401);
  drain();

  std::string all = hangup->log();
  for (const char* type : {"exchange", "cleanup"}) {
    const auto lines = hangup->access_log(type);
    EXPECT_FALSE(lines.empty()) << type;
    for (const Json& line : lines) all += line.dump() + '\n';
  }
  const std::string file = hangup->configuration_file().string();
  all += said_by({"check", "-c", file});
  all += said_by({"outbox", "list", "-c", file});
  all += said_by({"outbox", "list", "-c", file, "--json"});
  all += said_by({"outbox", "stats", "-c", file});
  all += said_by({"cleanup", "test", "-c", file, "stop"});
  EXPECT_THAT(all, HasSubstr("/work"));
  EXPECT_THAT(all, HasSubstr("anna"));
  // Of a text that stands in the configuration it shows all but secret headers, since it says what they do.
  std::string explained = said_by({"explain", "-c", file, "GET", "/work"});
  const std::string literal = "?key=s3cret-query";
  ASSERT_THAT(explained, HasSubstr(literal));
  all += explained.replace(explained.find(literal), literal.size(), "");
  EXPECT_THAT(all, Not(HasSubstr("s3cret")));
  EXPECT_THAT(all, Not(HasSubstr(signing)));
}

TEST_F(Secrets, AreNotInWhatIsSaidAboutAWrongConfiguration) {
  for (const std::string& cleanup :
       {std::string("headers: {Authorization: \"s3cret {nope}\"}"),
        std::string("headers: {Authorization: \"Bearer {s3cret}\"}"),
        std::string("headers: {Authorization: \"s3cret\\q\"}"),
        std::string("headers: {Authorization: *s3cret}"), std::string("signing_secret: \"whsec_s3cret\\q\""),
        std::string("signing_secret: [whsec_s3cret")}) {
    write_file(dir_ / "hangup.yaml", configuration({.cleanup = cleanup}));
    const Finished checked = ::hangup::test::run({binary(), "check", "-c", (dir_ / "hangup.yaml").string()});
    EXPECT_EQ(checked.exit.status, 1) << cleanup;
    EXPECT_THAT(checked.out + checked.err, Not(HasSubstr("s3cret"))) << cleanup;
  }
}

TEST_F(Secrets, InAFileThatOthersMayReadAreRefused) {
  write_file(dir_ / "signing", "whsec_c2lnbmluZ3MzY3JldHNpZ25pbmdzM2NyZXQx\n");
  std::filesystem::permissions(dir_ / "signing", std::filesystem::perms(0644));
  const std::string text =
      configuration({.cleanup = "signing_secret_file: \"" + (dir_ / "signing").string() + "\""});
  write_file(dir_ / "hangup.yaml", text);
  const std::string file = (dir_ / "hangup.yaml").string();
  for (const char* command : {"check", "run"}) {
    const Finished refused = ::hangup::test::run({binary(), command, "-c", file});
    EXPECT_EQ(refused.exit.status, 1) << command;
    EXPECT_THAT(refused.err, HasSubstr("/signing: is open to its group and others (mode 0644)"));
    EXPECT_THAT(refused.err, HasSubstr("run `chmod 600 " + (dir_ / "signing").string() + "`"));
  }
  write_file(dir_ / "hangup.yaml", text + "secrets: {allow_insecure_permissions: true}\n");
  EXPECT_EQ(::hangup::test::run({binary(), "check", "-c", file}).exit.status, 0);
}

TEST_F(Secrets, ARunAsRootIsWarnedAbout) {
  start();
  const bool warned = hangup->log().contains("hangup runs as root");
  EXPECT_EQ(warned, ::geteuid() == 0) << hangup->log();
}

}  // namespace
}  // namespace hangup::test
