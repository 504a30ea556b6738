#include "unit/http/pieces.h"

#include <gtest/gtest.h>

#include <array>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include <hangup/http/json_scanner.h>

namespace hangup::http {
namespace {

using Kind = JsonScanner::Kind;

// Writes down what it hears: "{0 k1-4 s5-8 }9".
class Recorder final : public JsonScanner::Handler {
 public:
  void on_start(Kind kind, std::uint64_t offset) override {
    said_ += letter(kind, "{[snlk");
    said_ += std::to_string(offset) + ' ';
  }
  void on_end(Kind kind, std::uint64_t offset) override {
    said_ += letter(kind, "}]SNLK");
    said_ += std::to_string(offset) + ' ';
  }
  const std::string& said() const { return said_; }

 private:
  static char letter(Kind kind, std::string_view letters) { return letters[static_cast<std::size_t>(kind)]; }
  std::string said_;
};

struct Reading {
  std::string events;
  bool valid = false;
  std::string fault;
  std::uint64_t offset = 0;
  bool operator==(const Reading&) const = default;
};

Reading read(std::string_view text, const Cuts& cuts) {
  Recorder recorder;
  JsonScanner scanner(recorder);
  std::size_t at = 0;
  for (const std::size_t end : cuts) {
    scanner.feed(text.substr(at, end - at));
    at = end;
  }
  const bool valid = scanner.finish();
  return {recorder.said(), valid, std::string(scanner.fault()), scanner.offset()};
}

Reading read(std::string_view text) {
  return read(text, in_one_piece(text));
}

bool is_json(std::string_view text) {
  return read(text).valid;
}

const std::vector<std::string> valid = {
    "{}",
    "[]",
    " [ ] ",
    "\t\r\n{ \"a\" : 1 , \"b\":[true,false,null,{}], \"\":\"\" }\n",
    "0",
    "-0",
    "-0.5e-10",
    "1E+2",
    "1e2",
    "123456789012345678901234567890123456789",
    "0.000000000000000000000000000000000000001",
    "\"\"",
    R"("\" \\ \/ \b \f \n \r \t \u0041 \ud83d\ude00")",
    "\"\xc3\xa4\xf0\x9f\x98\x80\x7f\"",
    "true",
    " null ",
    "[[[[1]]],[{\"x\":[]}],\"]\",\"}\"]",
    R"({"a":1,"a":2,"a":{"a":"\"a\""}})",
    "[-1,-1.5,2e5 ,3]",
};

const std::vector<std::string> invalid = {
    "",          " ",      "{",          "}",       "[1,]",        "[,1]",        "{\"a\":1,}", "{\"a\"}",
    "{\"a\":}",  "{a:1}",  "{1:1}",      "[1 2]",   "{\"a\" 1}",   "{} {}",       "[]]",        "[1}",
    "{\"a\":1]", "01",     "-",          "-x",      "1.",          ".5",          "1.e1",       "1e",
    "1e+",       "+1",     "0x1",        "NaN",     "Infinity",    "tru",         "trux",       "True",
    "nul",       "\"",     "\"\\\"",     "\"\\x\"", "\"\\u12g4\"", "\"\\u123\"",  "\"\n\"",     "\"\t\"",
    "'a'",       "[1]x",   "// c\n1",    "/**/1",   "[\"a\":1]",   "{\"a\":1:2}", "--1",        "1-",
    "{,}",       "[1,,2]", "\"a\"\"b\"", "1 1",     "truefalse",   "-01",         "{\"a\"::1}", "\v1",
};

TEST(JsonScanner, TellsWhereKeysAndValuesAre) {
  EXPECT_EQ(read(R"({"a": [1, "x"],"b":{ }, "c":null})").events,
            "{0 k1 K4 [6 n7 N8 s10 S13 ]14 k15 K18 {19 }22 k24 K27 l28 L32 }33 ");
}

TEST(JsonScanner, TellsOfANumberThatTheEndEnds) {
  EXPECT_EQ(read("12").events, "n0 N2 ");
}

TEST(JsonScanner, SaysTheSameHoweverTheTextIsCut) {
  for (const auto* const texts : {&valid, &invalid}) {
    for (const std::string& text : *texts) {
      const Reading whole = read(text);
      EXPECT_EQ(whole.valid, texts == &valid) << text;
      for (const Cuts& cuts : all_ways(text)) EXPECT_EQ(read(text, cuts), whole) << text;
    }
  }
}

TEST(JsonScanner, SaysTheSameInThreePieces) {
  const std::string text = R"({"key":[-1.5e+3,"\ud83d\ude00\n"],"k\u0041":{"a":true}, "b" : null })";
  const Reading whole = read(text);
  ASSERT_TRUE(whole.valid);
  for (std::size_t first = 0; first <= text.size(); ++first) {
    for (std::size_t second = first; second <= text.size(); ++second) {
      ASSERT_EQ(read(text, {first, second, text.size()}), whole) << first << ' ' << second;
    }
  }
}

TEST(JsonScanner, AgreesWithALibraryAboutWhatIsValid) {
  for (const auto* const texts : {&valid, &invalid}) {
    for (const std::string& text : *texts) {
      EXPECT_EQ(is_json(text), nlohmann::json::accept(text)) << text;
    }
  }
}

// The library refuses two things that the grammar allows: half of a surrogate pair, and numbers that are too
// large for a double.
bool library_accepts(const std::string& text, bool& comparable) {
  try {
    return !nlohmann::json::parse(text).is_discarded();
  } catch (const nlohmann::json::exception& error) {
    const std::string_view what = error.what();
    comparable = !what.contains("surrogate") && !what.contains("number overflow");
    return false;
  }
}

TEST(JsonScanner, AgreesWithALibraryAboutRandomMutations) {
  constexpr std::string_view alphabet = "{}[]:,\"\\ /0123456789-+.eEtruefalsn\n\tudD8bx";
  std::mt19937 random(20240607);
  const auto below = [&](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
  };
  std::size_t still_valid = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = valid[below(valid.size())];
    for (std::size_t changes = 1 + below(3); changes > 0; --changes) {
      const std::size_t at = below(text.size() + 1);
      const char c = alphabet[below(alphabet.size())];
      if (const auto what = below(3); what == 0 || at == text.size()) {
        text.insert(at, 1, c);
      } else if (what == 1) {
        text.erase(at, 1);
      } else {
        text[at] = c;
      }
    }
    bool comparable = true;
    const bool accepted = library_accepts(text, comparable);
    // Text that is not UTF-8 any more is refused by the library only.
    if (!comparable || std::ranges::any_of(text, [](char c) { return c < 0; })) continue;
    still_valid += accepted;
    ASSERT_EQ(is_json(text), accepted) << text;
    const std::size_t cut = below(text.size() + 1);
    ASSERT_EQ(read(text, {cut, text.size()}), read(text)) << text;
  }
  EXPECT_GT(still_valid, 1000U);
}

TEST(JsonScanner, TakesWhatALibraryCanNotHold) {
  EXPECT_TRUE(is_json("1e999999999999"));
  EXPECT_TRUE(is_json('[' + std::string(100'000, '9') + ']'));
  EXPECT_TRUE(is_json(R"("\ud800")"));
  EXPECT_TRUE(is_json("\"\xff\xfe\""));
}

TEST(JsonScanner, BoundsTheDepth) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(is_json(nested(JsonScanner::most_depth)));
  const Reading deeper = read(nested(JsonScanner::most_depth + 1));
  EXPECT_FALSE(deeper.valid);
  EXPECT_EQ(deeper.offset, JsonScanner::most_depth);
  EXPECT_EQ(deeper.fault, "it is nested too deeply");
  EXPECT_FALSE(is_json(std::string(1'000'000, '{')));
  EXPECT_FALSE(is_json(std::string(1'000'000, '[')));
}

TEST(JsonScanner, RefusesANulAndABom) {
  EXPECT_FALSE(is_json(std::string_view("{}\0", 3)));
  EXPECT_FALSE(is_json(std::string_view("\"\0\"", 3)));
  EXPECT_FALSE(is_json("\xef\xbb\xbf{}"));
}

TEST(JsonScanner, SaysWhatIsWrongAndWhere) {
  const Reading reading = read(R"({"a":1,"b":tru3})");
  EXPECT_EQ(reading.fault, "a value is misspelt");
  EXPECT_EQ(reading.offset, 14U);
  EXPECT_EQ(read(R"({"a":1)").fault, "it ends too early");
}

TEST(JsonScanner, ReadsNothingMoreAfterAFault) {
  Recorder recorder;
  JsonScanner scanner(recorder);
  EXPECT_FALSE(scanner.feed("[}"));
  EXPECT_FALSE(scanner.feed("[1]"));
  EXPECT_TRUE(scanner.failed());
  EXPECT_FALSE(scanner.finish());
  EXPECT_EQ(recorder.said(), "[0 ");
}

TEST(JsonUnescaped, IsWhatALibraryMakesOfIt) {
  for (const std::string inside : {"", "plain", R"(\"\\\/\b\f\n\r\t)", R"(\u0041\u00e4\u20AC\ud83d\ude00)",
                                   R"(a\u0000b)", R"(\\u0041)", "\xc3\xa4"}) {
    EXPECT_EQ(json_unescaped(inside), nlohmann::json::parse('"' + inside + '"').get<std::string>()) << inside;
  }
}

TEST(JsonUnescaped, ReplacesHalfASurrogatePair) {
  EXPECT_EQ(json_unescaped(R"(\ud83d)"), "\xef\xbf\xbd");
  EXPECT_EQ(json_unescaped(R"(\ud83dx)"), "\xef\xbf\xbdx");
  EXPECT_EQ(json_unescaped(R"(\ude00\ud83d)"), "\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(json_unescaped(R"(\ud83d\u0041)"),
            "\xef\xbf\xbd"
            "A");
  EXPECT_EQ(json_unescaped(R"(\ud83d\n)"), "\xef\xbf\xbd\n");
}

}  // namespace
}  // namespace hangup::http
