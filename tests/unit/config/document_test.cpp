// What YAML itself can do wrong, and what it must not do to us.
#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace hangup::config {
namespace {

using testing::ElementsAre, testing::HasSubstr, testing::SizeIs, testing::StartsWith;

TEST(Document, SyntaxErrorsHaveAPosition) {
  EXPECT_THAT(problems("listeners: [\n  - a\n"), ElementsAre(StartsWith("2:3: not YAML: ")));
  EXPECT_THAT(problems("a: b: c\n"), ElementsAre("1:5: not YAML: illegal map value"));
  EXPECT_THAT(problems("a: *nowhere\n"),
              ElementsAre(HasSubstr("not YAML: the referenced anchor is not defined")));
  for (const char* tab : {"a:\n\tb: 1\n", "a:\n  b: 1\n  \tc: 2\n"})
    EXPECT_THAT(problems(tab), ElementsAre(HasSubstr("not YAML: a tab; lines are indented with spaces")))
        << tab;
  EXPECT_THAT(problems("a: [open\n"), ElementsAre(HasSubstr("not YAML: ")));
}

TEST(Document, AnEmptyOneIsAProblem) {
  for (const std::string text : {"", "# only a comment\n", "---\n", "~\n"}) {
    EXPECT_THAT(problems(text),
                ElementsAre("1:1: the configuration is empty: expected listeners, upstreams and routes"));
  }
}

TEST(Document, HasToBeAMapping) {
  EXPECT_THAT(
      problems("- a\n"),
      ElementsAre(
          "1:1: `configuration`: found a list, expected a mapping with listeners, upstreams and routes"));
  EXPECT_THAT(
      problems("text\n"),
      ElementsAre(
          "1:1: `configuration`: found `text`, expected a mapping with listeners, upstreams and routes"));
}

TEST(Document, IsOnlyOne) {
  EXPECT_THAT(problems(with("---\nworkers: 0\n")),
              ElementsAre(HasSubstr("a second YAML document starts here")));
}

TEST(Document, DuplicateKeysAreFoundAtEveryLevel) {
  EXPECT_THAT(problems(with("workers: 1\nworkers: 2\n")),
              ElementsAre("11:1: duplicate key `workers`, first given in line 10"));
  EXPECT_THAT(problems(with("shutdown: {drain: 1s, drain: 2s}\n")),
              ElementsAre("10:23: duplicate key `drain`, first given in line 10"));
}

TEST(Document, KeysArePlainNames) {
  EXPECT_THAT(problems(with("[a, b]: c\n")), ElementsAre("10:1: a key has to be a plain name"));
  EXPECT_THAT(problems(with("shutdown: {{a: b}: c}\n")), ElementsAre("10:12: a key has to be a plain name"));
}

TEST(Document, OnlyMappingsAreMerged) {
  EXPECT_THAT(problems(with("shutdown: {<<: text}\n")),
              ElementsAre("10:16: `<<` merges a mapping or a list of mappings"));
}

TEST(Document, ControlCharactersAreRefused) {
  EXPECT_THAT(problems(with("log: {path: a\x04}\n")),
              ElementsAre(StartsWith("10:14: a control character, `\\x04`")));
  EXPECT_THAT(problems(std::string("a\0b", 3)), ElementsAre(StartsWith("1:2: a control character, `\\x00`")));
}

TEST(Document, IsUtf8) {
  EXPECT_THAT(problems(with("log: {path: caf\xe9}\n")),
              ElementsAre("10:16: no UTF-8, the byte %E9: expected YAML in UTF-8"));
  EXPECT_THAT(problems(with("log: {path: caf\xc3\xa9}\n")), testing::IsEmpty());
}

TEST(Document, LineEndsMayBeCrLf) {
  std::string text = with("wrkers: 1\n");
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) text.insert(at, 1, '\r');
  EXPECT_THAT(problems(text), ElementsAre(StartsWith("10:1: unknown key `wrkers`")));
}

TEST(Document, NestingIsBounded) {
  const std::string too_deep = "nested more than 32 levels deep";
  for (const std::size_t depth : {33U, 1000U, 100'000U, 2'000'000U}) {
    EXPECT_THAT(problems(std::string(depth, '[')), ElementsAre(HasSubstr(too_deep))) << depth;
    EXPECT_THAT(problems("a: " + std::string(depth, '{')), ElementsAre(HasSubstr(too_deep))) << depth;
    std::string blocks;
    for (std::size_t i = 0; i < depth; ++i) blocks += "- ";
    EXPECT_THAT(problems(blocks), ElementsAre(HasSubstr(too_deep))) << depth;
  }
}

TEST(Document, NestingByAliasesIsBounded) {
  std::string text = "a0: &a0 [x]\n";
  for (int i = 1; i < 40; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before + ", " + before + "]\n";
  }
  EXPECT_THAT(problems(text), ElementsAre(HasSubstr("nested more than 32 levels deep")));
}

TEST(Document, AnAliasInsideOfItselfIsRefused) {
  EXPECT_THAT(problems("a: &a [*a]\n"), ElementsAre("1:8: an alias inside of what it stands for"));
  EXPECT_THAT(problems("a: &a {b: {<<: *a}}\n"), ElementsAre("1:16: an alias inside of what it stands for"));
}

TEST(Document, MergingIsBounded) {
  std::string text = "a: &a {";
  for (int i = 0; i < 1000; ++i) text += "k" + std::to_string(i) + ": 1, ";
  text += "}\n";
  for (int i = 0; i < 1000; ++i) text += "m" + std::to_string(i) + ": {<<: *a}\n";
  EXPECT_THAT(problems(text), ElementsAre(HasSubstr("`<<` merges too many keys")));
}

TEST(Document, ThousandsOfProblemsAreCutOff) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "k" + std::to_string(i) + ": 1\n";
  const auto found = problems(text);
  ASSERT_THAT(found, SizeIs(1001));
  EXPECT_THAT(found.back(), HasSubstr("here and below are "));
}

TEST(Document, LongTextsAreCutInMessages) {
  const auto found = problems(with("workers: " + std::string(1'000'000, 'x') + "\n"));
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_LT(found.front().size(), 200U);
}

TEST(Document, RandomDamageNeverCrashes) {
  const std::string valid_text = with("access_log: {path: &x stdout, format: json}\nlog: {<<: {path: *x}}\n");
  std::mt19937 random(42);  // NOLINT: the same texts in each run
  const std::string alphabet = "{}[]:,-&*!|>'\"%@`#? \n\t\\<~$ax0";
  const auto below = [&](std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
  };
  for (int round = 0; round < 3000; ++round) {
    std::string text = valid_text;
    for (std::size_t i = below(6) + 1; i > 0; --i) {
      const std::size_t at = below(text.size());
      switch (below(3)) {
        case 0:
          text[at] = alphabet[below(alphabet.size())];
          break;
        case 1:
          text.insert(at, 1, alphabet[below(alphabet.size())]);
          break;
        default:
          text.erase(at, below(10));
      }
    }
    for (const std::string& problem : problems(text))
      EXPECT_THAT(problem, testing::MatchesRegex("[1-9][0-9]*:[1-9][0-9]*: .+"));
  }
}

}  // namespace
}  // namespace hangup::config
