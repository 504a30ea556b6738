// What the tests of this module share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <hangup/config/config.h>

namespace hangup::config {

// A valid configuration with lines for `more` at its end, from line 10 on.
inline std::string with(const std::string& more) {
  return "listeners:\n"
         "  - {name: public, address: \"127.0.0.1:0\"}\n"
         "upstreams:\n"
         "  app: {servers: [\"http://127.0.0.1:9000\"]}\n"
         "cleanups:\n"
         "  stop: {url: \"http://127.0.0.1:9001/stop/{request.id}\"}\n"
         "routes:\n"
         "  - {name: all, upstream: app}\n"
         "# more\n" +
         more;
}

// "line:column: message" for each.
inline std::vector<std::string> said(const std::vector<Problem>& all) {
  std::vector<std::string> out;
  for (const Problem& each : all) out.push_back(to_string(each, "f").substr(2));
  return out;
}
inline std::vector<std::string> problems(const std::string& text) {
  const auto parsed = parse(text, "f");
  return parsed ? std::vector<std::string>() : said(parsed.error());
}

// `said` of the text without its § is just one, which is at the place of that and says `message`.
template <typename Said>
void expect_one(std::string text, Said&& said, const testing::Matcher<const std::string&>& message) {
  constexpr std::string_view mark = "§";
  const std::size_t at = text.find(mark);
  ASSERT_NE(at, std::string::npos) << text;
  text.erase(at, mark.size());
  const auto line = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n') + 1;
  const std::size_t column = at == 0 ? 1 : at - (text.rfind('\n', at - 1) + 1) + 1;
  const std::vector<std::string> found = said(text);
  ASSERT_THAT(found, testing::SizeIs(1)) << text;
  const std::string place = std::to_string(line) + ":" + std::to_string(column) + ": ";
  EXPECT_THAT(found.front(), testing::StartsWith(place)) << text;
  EXPECT_THAT(found.front().substr(std::min(place.size(), found.front().size())), message) << text;
}

// `text` has just one problem, which is at the place that a § in it marks and says `message`.
inline void expect_problem(std::string text, const testing::Matcher<const std::string&>& message) {
  expect_one(std::move(text), problems, message);
}

inline std::shared_ptr<const Config> valid(const std::string& text) {
  auto parsed = parse(text, "f");
  if (parsed) return *parsed;
  for (const Problem& problem : parsed.error()) ADD_FAILURE() << to_string(problem, "f") << "\nin\n" << text;
  return std::make_shared<Config>();
}

// Of a valid text.
inline std::vector<std::string> warnings(const std::string& text) {
  return said(valid(text)->warnings);
}

// Likewise with one warning, of a text that is valid.
inline void expect_warning(std::string text, const testing::Matcher<const std::string&>& message) {
  expect_one(std::move(text), warnings, message);
}

// Sets a variable of the environment for a scope.
class Environment {
 public:
  Environment(std::string name, const char* value) : name_(std::move(name)) {
    ::setenv(name_.c_str(), value, 1);
  }
  ~Environment() { ::unsetenv(name_.c_str()); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  std::string name_;
};

// A file with this text for its owner alone, for a scope.
class TempFile {
 public:
  explicit TempFile(std::string_view text)
      : path_(testing::TempDir() + "/hangup-" + std::to_string(::getpid()) + "-" +
              testing::UnitTest::GetInstance()->current_test_info()->name() + "-" +
              std::to_string(reinterpret_cast<std::uintptr_t>(this))) {
    std::ofstream(path_) << text;
    set_mode(0600);
  }
  ~TempFile() { std::filesystem::remove(path_); }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  const std::string& path() const { return path_; }
  void set_mode(unsigned mode) { std::filesystem::permissions(path_, std::filesystem::perms(mode)); }

 private:
  std::string path_;
};

// A source with the values that a test gives it, by the variable's full name.
class FakeSource final : public VariableSource {
 public:
  explicit FakeSource(std::map<std::string, std::string> values) : values_(std::move(values)) {}
  std::optional<std::string_view> value(const VariableRef& ref, std::string& scratch) const override {
    const auto found = values_.find(variable_name(ref));
    if (found == values_.end()) return std::nullopt;
    scratch = found->second;
    return scratch;
  }

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace hangup::config
