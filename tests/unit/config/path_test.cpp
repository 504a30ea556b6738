#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include <hangup/config/path.h>

namespace hangup::config {
namespace {

std::string normalised(std::string_view path) {
  std::string scratch;
  return std::string(normalised_path(path, scratch));
}

std::string pattern_fault(std::string_view text) {
  const auto pattern = compile_path_pattern(text);
  return pattern ? "none" : std::to_string(pattern.error().offset) + ": " + pattern.error().message;
}

TEST(NormalisedPath, HasOneSpellingForEachPath) {
  EXPECT_EQ(normalised("/a/%62%2D%7e/c"), "/a/b-~/c");
  EXPECT_EQ(normalised("/a%2fb%C3%a9"), "/a%2Fb%C3%A9");
  EXPECT_EQ(normalised("/a//b/"), "/a//b/");
}

TEST(NormalisedPath, HasNoDotSegments) {
  EXPECT_EQ(normalised("/a/./b/../c"), "/a/c");
  EXPECT_EQ(normalised("/a/.."), "/");
  EXPECT_EQ(normalised("/a/."), "/a/");
  EXPECT_EQ(normalised("/.."), "/");
  EXPECT_EQ(normalised("/../../etc"), "/etc");
  EXPECT_EQ(normalised("/a/b/../../.."), "/");
  EXPECT_EQ(normalised("/public/%2e%2E/admin"), "/admin");
  EXPECT_EQ(normalised("/a/.b/..c/..."), "/a/.b/..c/...");
  EXPECT_EQ(normalised("//../x"), "/x");
}

TEST(NormalisedPath, LeavesWhatIsNotEncoded) {
  EXPECT_EQ(normalised("/100%"), "/100%");
  EXPECT_EQ(normalised("/%4"), "/%4");
  EXPECT_EQ(normalised("/%zz%41"), "/%zzA");
  EXPECT_EQ(normalised("*"), "*");
}

TEST(NormalisedPath, IsThePathItselfWhereThatIsNormal) {
  std::string scratch;
  const std::string_view path = "/reports/7/pages";
  EXPECT_EQ(normalised_path(path, scratch).data(), path.data());
}

TEST(AmbiguousPath, IsOneThatServersReadAsAnother) {
  for (const std::string_view path :
       {"//admin/x", "/public//../admin", "/public/x//", "/admin%2Fx", "/admin%2fx", "/public/..%2fadmin",
        "/public/..%5Cadmin", "/public/..%5cadmin", "/public/..\\admin", "/public/..;/admin",
        "/public/.;x/admin", "/public/..;a=b", "/public/..%3b/admin", "/public/%2e%2E/admin", "/public/.%2e",
        "/public/%2E"})
    EXPECT_TRUE(is_ambiguous_path(path)) << path;
}

TEST(AmbiguousPath, IsNoneThatAllReadTheSame) {
  for (const std::string_view path :
       {"/", "/a/b/", "/public/../admin", "/a/.", "/a%20b", "/caf%C3%A9", "/a;b=c/d", "/.well-known/x",
        "/...;x", "/a%2Eb", "/100%", "/%", "*", ""})
    EXPECT_FALSE(is_ambiguous_path(path)) << path;
}

TEST(PercentDecoded, DecodesEachOnce) {
  EXPECT_EQ(percent_decoded("a%20b%2Fc%252F%zz%"), "a b/c%2F%zz%");
  EXPECT_EQ(percent_decoded("%00"), std::string(1, '\0'));
}

TEST(PathPattern, HasLiteralsCapturesAndAPrefix) {
  const auto pattern = compile_path_pattern("/v%31/caf\xc3\xa9/{id}/pages/*");
  ASSERT_TRUE(pattern) << pattern.error().message;
  ASSERT_EQ(pattern->segments.size(), 4);
  EXPECT_EQ(pattern->segments[0].text, "v1");
  EXPECT_EQ(pattern->segments[1].text, "caf%C3%A9");
  EXPECT_TRUE(pattern->segments[2].capture);
  EXPECT_EQ(pattern->segments[2].text, "id");
  EXPECT_FALSE(pattern->segments[3].capture);
  EXPECT_TRUE(pattern->prefix);
}

TEST(PathPattern, TellsWhereItIsWrong) {
  EXPECT_EQ(pattern_fault("reports"), "0: `reports`: a path starts with /");
  EXPECT_EQ(pattern_fault(""), "0: ``: a path starts with /");
  EXPECT_EQ(pattern_fault("/a/{id}x"),
            "3: `{id}x`: {name} stands for a whole segment, and * only for the rest at the end, /*");
  EXPECT_EQ(pattern_fault("/a/*/b"),
            "3: `*`: {name} stands for a whole segment, and * only for the rest at the end, /*");
  EXPECT_EQ(pattern_fault("/a*"),
            "1: `a*`: {name} stands for a whole segment, and * only for the rest at the end, /*");
  EXPECT_EQ(pattern_fault("/{}"), "1: `{}`: a capture is named with letters, digits, _ and -, as in {id}");
  EXPECT_EQ(pattern_fault("/{a b}"),
            "1: `{a b}`: a capture is named with letters, digits, _ and -, as in {id}");
  EXPECT_EQ(pattern_fault("/{id}/{id}"), "6: `{id}` is captured twice in this path");
  EXPECT_EQ(pattern_fault("/a?b=c"), "2: `a?b=c`: a path has no query and no fragment");
  EXPECT_EQ(pattern_fault("/a/%2e./b"), "3: `%2e.`: dot segments are removed before a path is compared");
}

}  // namespace
}  // namespace hangup::config
