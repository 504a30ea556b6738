// Files with secrets are their owner's alone, and no message shows what is in them or in a secret value.
#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace hangup::config {
namespace {

using testing::AllOf, testing::Each, testing::ElementsAre, testing::HasSubstr, testing::IsEmpty, testing::Not;

const std::string signing = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

std::string with_cleanup(const std::string& members, const std::string& more = "") {
  return "listeners: [{address: \"127.0.0.1:0\"}]\n"
         "upstreams: {app: {servers: [\"http://127.0.0.1:9000\"]}}\n"
         "routes: [{upstream: app}]\n"
         "cleanups: {c: {url: \"https://h/\", " +
         members + "}}\n" + more;
}

std::string open_to(const std::string& path, const std::string& who, const std::string& mode) {
  return path + ": is open to " + who + " (mode " + mode +
         "), and a secret is its owner's alone: run `chmod 600 " + path +
         "`, or set `secrets: {allow_insecure_permissions: true}`";
}

TEST(SecretFiles, AreRefusedWhenOthersMayReadOrWriteThem) {
  TempFile file(signing);
  const std::string text = with_cleanup("signing_secret_file: §" + file.path());
  for (const auto& [mode, who, shown] : {std::tuple{0644U, "its group and others", "0644"},
                                         {0640U, "its group", "0640"},
                                         {0604U, "others", "0604"},
                                         {0620U, "its group", "0620"},
                                         {0602U, "others", "0602"}}) {
    file.set_mode(mode);
    expect_problem(text, "`signing_secret_file`: " + open_to(file.path(), who, shown));
  }
  for (const unsigned mode : {0600U, 0400U, 0700U}) {
    file.set_mode(mode);
    EXPECT_THAT(problems(with_cleanup("signing_secret_file: " + file.path())), IsEmpty()) << mode;
  }
}

TEST(SecretFiles, AreJudgedByWhatALinkLeadsTo) {
  TempFile file(signing);
  const std::string link = file.path() + "-link";
  std::filesystem::create_symlink(file.path(), link);
  EXPECT_THAT(problems(with_cleanup("signing_secret_file: " + link)), IsEmpty());
  file.set_mode(0644);
  EXPECT_THAT(problems(with_cleanup("signing_secret_file: " + link)), ElementsAre(HasSubstr("mode 0644")));
  std::filesystem::remove(link);
}

TEST(SecretFiles, OfEveryKindAreRefused) {
  TempFile file("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad ci");
  file.set_mode(0644);
  expect_problem(with_cleanup("headers: {Authorization: {file: §" + file.path() + "}}"),
                 "`file`: " + open_to(file.path(), "its group and others", "0644"));
  expect_problem(with_cleanup("tls: {cert: " + file.path() + ", key: §" + file.path() + "}"),
                 "`key`: " + open_to(file.path(), "its group and others", "0644"));
  expect_problem(with("auth: {bearer_tokens_file: §" + file.path() + "}\n"),
                 "`bearer_tokens_file`: " + open_to(file.path(), "its group and others", "0644"));
}

TEST(SecretFiles, AreTakenWhateverTheirModeWhenToldSo) {
  TempFile file("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad ci");
  file.set_mode(0644);
  const std::string cleanup = "headers: {Authorization: {file: " + file.path() +
                              "}}, tls: {cert: " + file.path() + ", key: " + file.path() + "}";
  const std::string auth = "auth: {bearer_tokens_file: " + file.path() + "}\n";
  EXPECT_THAT(problems(with_cleanup(cleanup, auth + "secrets: {allow_insecure_permissions: true}\n")),
              IsEmpty());
  EXPECT_THAT(problems(with_cleanup(cleanup, auth + "secrets: {allow_insecure_permissions: false}\n")),
              testing::SizeIs(3));
  EXPECT_TRUE(valid(with_cleanup(cleanup, auth + "secrets: {allow_insecure_permissions: true}\n"))
                  ->auth->allow_insecure_permissions);
}

TEST(SecretFiles, OfSystemdArePrivateWhateverTheirModeLooksLike) {
  TempFile file(signing);
  file.set_mode(0440);
  const std::string text = with_cleanup("signing_secret_file: " + file.path());
  EXPECT_THAT(problems(text), ElementsAre(HasSubstr("mode 0440")));
  const std::string directory = std::filesystem::path(file.path()).parent_path().string();
  const Environment credentials("CREDENTIALS_DIRECTORY", directory.c_str());
  EXPECT_THAT(problems(text), IsEmpty());
  const Environment elsewhere("CREDENTIALS_DIRECTORY", "/run/credentials/hangup.service");
  EXPECT_THAT(problems(text), ElementsAre(HasSubstr("mode 0440")));
}

TEST(SecretValues, AreShownByNoMessage) {
  for (const std::string& members : {
           std::string("headers: {Authorization: \"Bearer {t0psecret}\"}"),
           std::string("headers: {Authorization: \"Bearer {t0psecret\"}"),
           std::string("headers: {Authorization: \"Bearer ${t0psecret/}\"}"),
           std::string("headers: {Authorization: \"Bearer ${t0psecret\"}"),
           std::string("headers: {X-Api-Key: [t0psecret]}"),
           std::string("headers: {X-Api-Key: \"t0psecret\\n\"}"),
           std::string("headers: {X-Api-Key: \"t0psecret\\q\"}"),
           std::string("headers: {X-Api-Key: *t0psecret}"),
           std::string("headers: {X-Api-Key: &t0psecret }x}"),
           std::string("headers: {X-Api-Key: \"t0psecret}"),
           std::string("headers: {X-Api-Key: !<t0psecret x}"),
           std::string("headers: {X-Api-Key: %t0psecret}"),
           std::string("headers: {X-Api-Key: \"t0psecret\" t0psecret}"),
           std::string("signing_secret: \"whsec_t0psecret\\q\""),
           std::string("signing_secret: whsec_t0psecret"),
       }) {
    const auto found = problems(with_cleanup(members));
    EXPECT_THAT(found, AllOf(Not(IsEmpty()), Each(Not(HasSubstr("t0psecret"))))) << members;
  }
}

TEST(SecretValues, OfAUrlAreShownByNoMessage) {
  for (const std::string url : {"http://user:t0psecret@h:9000", "https://user:t0psecret@h",
                                "user:t0psecret@h", "http:/user:t0psecret@h"}) {
    const std::string text =
        "listeners: [{address: \"127.0.0.1:0\"}]\n"
        "upstreams: {app: {servers: [\"" +
        url +
        "\"]}}\n"
        "routes: [{upstream: app, on_disconnect: {cleanup: {url: \"" +
        url + "/x\"}}}]\n";
    EXPECT_THAT(problems(text), AllOf(Not(IsEmpty()), Each(Not(HasSubstr("t0psecret"))))) << url;
  }
}

}  // namespace
}  // namespace hangup::config
