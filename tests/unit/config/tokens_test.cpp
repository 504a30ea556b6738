// The file of bearer tokens, and what a configuration says about who is let in.
#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include <hangup/config/tokens.h>

namespace hangup::config {
namespace {

using testing::AllOf, testing::ElementsAre, testing::EndsWith, testing::HasSubstr, testing::IsEmpty,
    testing::Not, testing::SizeIs, testing::StartsWith;

// printf %s opensesame | sha256sum
constexpr std::string_view sesame = "d9fb92e3bbe65be1f1aad4a82eef4567f7a1ebe2cd110c8049b9698be7a70c88";
// printf %s abc | sha256sum, of FIPS 180-2
constexpr std::string_view abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

std::string line(std::string_view hash, std::string_view rest) {
  return std::string(hash) + std::string(rest) + "\n";
}

std::vector<std::string> names_in(const std::string& text) {
  std::vector<std::string> names;
  const auto tokens = parse_tokens(text, "/etc/tokens");
  if (!tokens) return {"(" + tokens.error().front().message + ")"};
  for (const Token& token : *tokens) names.push_back(token.name);
  return names;
}

std::vector<std::string> faults_of(const std::string& text) {
  std::vector<std::string> faults;
  const auto tokens = parse_tokens(text, "/etc/tokens");
  if (tokens) return faults;
  for (const Error& fault : tokens.error()) faults.push_back(fault.message);
  return faults;
}

TEST(Tokens, AreHashedAsSha256sumDoes) {
  const auto tokens = parse_tokens(line(abc, " ci"), "f");
  ASSERT_TRUE(tokens);
  ASSERT_THAT(*tokens, SizeIs(1));
  EXPECT_EQ(tokens->front().hash, hash_token("abc"));
  EXPECT_NE(tokens->front().hash, hash_token("abd"));
}

TEST(Tokens, StandOneALineWithANameAndComments) {
  std::string upper(abc);
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  EXPECT_THAT(names_in("# people\n\n" + line(sesame, " anna@example.org") + "  \t\n#\n" +
                       line(upper, "\t ci-1+x_y~z.w  \r")),
              ElementsAre("anna@example.org", "ci-1+x_y~z.w"));
  EXPECT_THAT(names_in(std::string(abc) + " no-line-end"), ElementsAre("no-line-end"));
  EXPECT_THAT(names_in(line(abc, " same") + line(sesame, " same")), ElementsAre("same", "same"));
  EXPECT_THAT(names_in(line(abc, " " + std::string(64, 'n'))), ElementsAre(std::string(64, 'n')));
  EXPECT_THAT(names_in("# nobody is let in\n"), IsEmpty());
}

TEST(Tokens, AreRefusedWithLineAndColumnAndNeverQuoted) {
  const std::string format =
      "expected the SHA-256 of a token, 64 hexadecimal digits, then a blank and a name; "
      "`hangup token new` makes such a line";
  const std::string name = "a token's name is one word of up to 64 letters, digits and . _ ~ @ + -";
  EXPECT_THAT(faults_of("opensesame anna\n"), ElementsAre("/etc/tokens:1:1: " + format));
  EXPECT_THAT(faults_of("\n# x\n" + line(abc.substr(1), " ci")), ElementsAre("/etc/tokens:3:64: " + format));
  EXPECT_THAT(faults_of(line(std::string(abc) + "0", " ci")), ElementsAre("/etc/tokens:1:65: " + format));
  EXPECT_THAT(faults_of(line(abc, "")),
              ElementsAre("/etc/tokens:1:65: the token's name is missing behind its hash"));
  EXPECT_THAT(faults_of(line(abc, "  ")),
              ElementsAre("/etc/tokens:1:65: the token's name is missing behind its hash"));
  EXPECT_THAT(faults_of(" " + line(abc, " ci")), ElementsAre("/etc/tokens:1:1: " + format));
  EXPECT_THAT(faults_of(line(abc, " c\xc3\xa9")), ElementsAre("/etc/tokens:1:67: " + name));
  EXPECT_THAT(faults_of(line(abc, " two words")), ElementsAre("/etc/tokens:1:69: " + name));
  EXPECT_THAT(faults_of(line(abc, " " + std::string(65, 'n'))), ElementsAre(EndsWith(name)));
  EXPECT_THAT(faults_of(line(abc, " a") + line(sesame, " b") + line(abc, " c")),
              ElementsAre("/etc/tokens:3:1: the token of line 1 again"));
  EXPECT_THAT(faults_of("opensesame anna\n" + line(abc, " ok") + "opensesame\n"),
              ElementsAre(AllOf(StartsWith("/etc/tokens:1:1: "), Not(HasSubstr("opensesame"))),
                          AllOf(StartsWith("/etc/tokens:3:1: "), Not(HasSubstr("opensesame")))));
}

TEST(Auth, IsReadWithItsFile) {
  EXPECT_FALSE(valid(with(""))->auth);
  const TempFile file(line(abc, " ci"));
  const auto config = valid(with("auth: {bearer_tokens_file: " + file.path() + "}\n"));
  ASSERT_TRUE(config->auth);
  EXPECT_EQ(config->auth->bearer_tokens_file, file.path());
  EXPECT_THAT(config->auth->tokens, SizeIs(1));
  EXPECT_FALSE(config->auth->forward_authorization);
  EXPECT_EQ(config->routes.front().access.auth, Route::Access::Auth::token);
  EXPECT_TRUE(valid(with("auth: {bearer_tokens_file: " + file.path() + ", forward_authorization: true}\n"))
                  ->auth->forward_authorization);
}

TEST(Auth, FileIsCheckedWithTheConfiguration) {
  const TempFile file("# x\nopensesame\n");
  expect_problem(with("auth: {bearer_tokens_file: §" + file.path() + "}\n"),
                 AllOf(StartsWith("`bearer_tokens_file`: " + file.path() + ":2:1: expected the SHA-256"),
                       Not(HasSubstr("opensesame"))));
  expect_problem(with("auth: {bearer_tokens_file: §/nowhere/tokens}\n"),
                 "`bearer_tokens_file`: /nowhere/tokens: can't be read: No such file or directory");
  expect_problem(
      with("auth: §{}\n"),
      "`bearer_tokens_file` is missing, expected the path of a file with a token's SHA-256 and name "
      "a line");
  expect_problem(with("auth: {bearer_tokens_file: §\"\"}\n"),
                 "`bearer_tokens_file`: found ``, expected the path of a file");
  expect_problem(
      with("auth: §none\n"),
      "`auth`: found `none`, expected a mapping (keys: forward_authorization, bearer_tokens_file)");
}

TEST(Auth, WithoutATokenIsWarnedOf) {
  const TempFile file("# none yet\n");
  expect_warning(with("auth: {bearer_tokens_file: §" + file.path() + "}\n"),
                 "`bearer_tokens_file`: " + file.path() +
                     " has no token, so only routes with `auth: none` let anybody in; `hangup token new` "
                     "makes one");
}

TEST(Auth, IsReadAgainFromTheFileOfNow) {
  TempFile file(line(abc, " ci"));
  const auto config = valid(with("auth: {bearer_tokens_file: " + file.path() + "}\n"));
  std::ofstream(file.path()) << line(sesame, " anna") << line(abc, " ci");
  const auto again = read_tokens(*config->auth);
  ASSERT_TRUE(again);
  EXPECT_THAT(*again, SizeIs(2));
  file.set_mode(0640);
  const auto exposed = read_tokens(*config->auth);
  ASSERT_FALSE(exposed);
  EXPECT_THAT(exposed.error().front().message,
              StartsWith(file.path() + ": is open to its group (mode 0640)"));
}

std::string with_route_members(const std::string& members) {
  return "listeners: [{address: \"127.0.0.1:0\"}]\n"
         "upstreams: {app: {servers: [\"http://127.0.0.1:9000\"]}}\n"
         "routes: [{upstream: app, " +
         members + "}]\n";
}

TEST(RouteAccess, NamesClientsAndCanGoWithoutAToken) {
  const Route route =
      valid(with_route_members("auth: none, allow: [10.0.0.0/8, \"::1\", unix]"))->routes.front();
  EXPECT_EQ(route.access.auth, Route::Access::Auth::none);
  EXPECT_FALSE(route.access.ambiguous_paths);
  EXPECT_TRUE(valid(with_route_members("ambiguous_paths: allow"))->routes.front().access.ambiguous_paths);
  EXPECT_TRUE(route.access.allow.contains("10.1.2.3"));
  EXPECT_TRUE(route.access.allow.contains("unix"));
  EXPECT_FALSE(route.access.allow.contains("192.0.2.7"));
  EXPECT_TRUE(
      valid(with_route_members("allow: 127.0.0.1"))->routes.front().access.allow.contains("127.0.0.1"));
  EXPECT_TRUE(valid(with_route_members("name: x"))->routes.front().access.allow.empty());
}

TEST(RouteAccess, IsCheckedWordByWord) {
  expect_problem(with_route_members("auth: §off"), "`auth`: found `off`, expected none");
  expect_problem(
      with_route_members("allow: §[]"),
      "`allow`: found an empty list, expected a list of networks, such as 10.0.0.0/8, ::1 or unix");
  expect_problem(with_route_members("allow: [127.0.0.1, §localhost]"), StartsWith("`allow`: "));
}

}  // namespace
}  // namespace hangup::config
