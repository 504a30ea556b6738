// Signing secrets: in the configuration, in the environment and in files.
#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hangup::config {
namespace {

using testing::ElementsAre, testing::HasSubstr, testing::IsEmpty, testing::Not;

// 24 bytes, from the libraries of Standard Webhooks; 25 and 64 bytes.
const std::string secret_24 = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const std::string secret_bytes =
    "\x31\xf2\x90\xf6\xbf\x06\x29\x8a\xab\x4f\x08\xd4\x3c\x3f\x08\x2c\xf6\x48\xa3\x62\xda\x2d\xa4\xb0";
const std::string secret_25 = "whsec_a2tra2tra2tra2tra2tra2tra2tra2traw==";
const std::string secret_64 =
    "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==";

std::string with_signing(const std::string& members) {
  return "listeners: [{address: \"127.0.0.1:0\"}]\n"
         "upstreams: {app: {servers: [\"http://127.0.0.1:9000\"]}}\n"
         "routes: [{upstream: app}]\n"
         "cleanups: {c: {url: \"http://h/\", " +
         members + "}}\n";
}

std::vector<std::string> signing_keys_of(const std::string& members) {
  const auto config = valid(with_signing(members));
  return config->cleanups.empty() ? std::vector<std::string>() : config->cleanups.front()->signing_keys;
}

TEST(SigningSecrets, AreDecoded) {
  EXPECT_THAT(signing_keys_of("timeout: 1s"), IsEmpty());
  EXPECT_THAT(signing_keys_of("signing_secret: " + secret_24), ElementsAre(secret_bytes));
  EXPECT_THAT(signing_keys_of("signing_secret: [" + secret_25 + ", " + secret_24 + "]"),
              ElementsAre(std::string(25, 'k'), secret_bytes));
  std::string all_bytes;
  for (char c = 0; c < 64; ++c) all_bytes += c;
  EXPECT_THAT(signing_keys_of("signing_secret: " + secret_64), ElementsAre(all_bytes));
  const Environment environment("HANGUP_TEST_SECRET", secret_24.c_str());
  EXPECT_THAT(signing_keys_of("signing_secret: \"${HANGUP_TEST_SECRET}\""), ElementsAre(secret_bytes));
}

TEST(SigningSecrets, AreReadFromAFileOneALine) {
  const TempFile file("\n  " + secret_25 + " \r\n\n" + secret_24 + "\n");
  EXPECT_THAT(signing_keys_of("signing_secret_file: " + file.path()),
              ElementsAre(std::string(25, 'k'), secret_bytes));
  const TempFile unended(secret_24);
  EXPECT_THAT(signing_keys_of("signing_secret_file: " + unended.path()), ElementsAre(secret_bytes));
}

TEST(SigningSecrets, AreStrictlyBase64) {
  const std::string base64 =
      "`signing_secret`: what follows whsec_ is not base64 (RFC 4648, with its padding)";
  for (const std::string bad : {
           "whsec_",
           "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",       // cut
           "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa==x",     // padding inside
           "whsec_a2tra2tra2tra2tra2tra2tra2tra2traw",    // without its padding
           "whsec_a2tra2tra2tra2tra2tra2tra2tra2trax==",  // other bits where none count
           "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_",      // the alphabet of URLs
           "whsec_MfKQ9r8GKYqr wjUPD8ILPZIo2LaLaSw",
           "whsec_====",
       }) {
    expect_problem(with_signing("signing_secret: §\"" + bad + "\""), base64);
  }
  expect_problem(with_signing("signing_secret: §\" " + secret_24 + "\""),
                 HasSubstr("a secret is whsec_ and the base64 of 24 to 64 random bytes"));
}

TEST(SigningSecrets, Have24To64Bytes) {
  expect_problem(with_signing("signing_secret: §whsec_a2tra2tra2tra2tra2tra2tra2tra2s="),
                 "`signing_secret`: the secret has 23 bytes, expected 24 to 64");
  expect_problem(with_signing("signing_secret: §whsec_" + std::string(84, 'A') + "AAA="),
                 "`signing_secret`: the secret has 65 bytes, expected 24 to 64");
}

TEST(SigningSecrets, AreNeverShown) {
  const std::string bad = "t0psecret";
  const TempFile file(secret_24 + "\n\n" + bad + "\n");
  const Environment environment("HANGUP_TEST_SECRET", bad.c_str());
  for (const std::string& members :
       {"signing_secret: " + bad, "signing_secret: [" + bad + "]", "signing_secret: whsec_" + bad,
        "signing_secret: {a: " + bad + "}", "signing_secret: [[" + bad + "]]",
        std::string("signing_secret: \"${HANGUP_TEST_SECRET}\""), "signing_secret: \"${" + bad + "/}\"",
        "signing_secret: \"${" + bad + "\"", "signing_secret_file: " + file.path()}) {
    const auto found = problems(with_signing(members));
    EXPECT_THAT(found, ElementsAre(Not(HasSubstr(bad)))) << members;
  }
}

TEST(SigningSecrets, InAFileAreNamedByTheirLine) {
  const TempFile file(secret_24 + "\n\nwhsec_x\n");
  expect_problem(with_signing("signing_secret_file: §" + file.path()),
                 "`signing_secret_file`: " + file.path() +
                     ", line 3: what follows whsec_ is not base64 (RFC 4648, with its padding)");
}

TEST(SigningSecrets, AreSomewhereOnce) {
  expect_problem(with_signing("signing_secret_file: §/nowhere/secret"),
                 "`signing_secret_file`: /nowhere/secret: can't be read: No such file or directory");
  const TempFile blank("\n \n");
  expect_problem(with_signing("signing_secret_file: §" + blank.path()),
                 "`signing_secret_file`: " + blank.path() + ": there is no secret in it");
  const TempFile file(secret_25);
  expect_problem(with_signing("signing_secret: " + secret_24 + ", §signing_secret_file: " + file.path()),
                 "`signing_secret` and `signing_secret_file` at once: give one of them");
  expect_problem(with_signing("signing_secret: [" + secret_24 + ", §" + secret_24 + "]"),
                 "`signing_secret`: the same secret twice");
  expect_problem(with_signing("signing_secret: §\"\""), "`signing_secret`: the secret is empty");
  expect_problem(with_signing("signing_secret: §[]"),
                 "`signing_secret`: found an empty list, expected a secret, or a list with the newest first");
  expect_problem(with_signing("signing_secret: §\"${HANGUP_TEST_UNSET}\""),
                 HasSubstr("the environment variable `HANGUP_TEST_UNSET` is not set"));
}

}  // namespace
}  // namespace hangup::config
