#include "observe/outlet.h"

#include "observe/syslog_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/details/log_msg.h>

#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace hangup::observe {
namespace {

using testing::ElementsAre;

// Keeps what it is given; once it is told to, it waits in the middle of that, as for a pipe that nobody
// reads.
class ScriptedSink final : public spdlog::sinks::sink {
 public:
  void log(const spdlog::details::log_msg& message) override {
    begun.set_value();
    if (waits.valid()) waits.wait();
    if (!fails_with.empty()) throw std::runtime_error(fails_with);
    messages.emplace_back(message.payload.data(), message.payload.size());
    begun = {};
  }
  void flush() override {}
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

  std::promise<void> begun;
  std::shared_future<void> waits;
  std::string fails_with;
  std::vector<std::string> messages;
};

spdlog::details::log_msg message(std::string_view text) {
  return {"", spdlog::level::info, spdlog::string_view_t(text.data(), text.size())};
}

TEST(Outlet, GoesElsewhereFromTheNextMessageOn) {
  const auto one = std::make_shared<ScriptedSink>();
  const auto two = std::make_shared<ScriptedSink>();
  Outlet outlet;
  outlet.redirect(one);
  outlet.log(message("a"));
  outlet.redirect(two);
  outlet.log(message("b"));
  EXPECT_THAT(one->messages, ElementsAre("a"));
  EXPECT_THAT(two->messages, ElementsAre("b"));
  EXPECT_EQ(one.use_count(), 1) << "it is let go";
}

TEST(Outlet, IsPointedElsewhereWhileAMessageIsStuck) {
  const auto stuck = std::make_shared<ScriptedSink>();
  const auto next = std::make_shared<ScriptedSink>();
  std::promise<void> go_on;
  stuck->waits = go_on.get_future().share();
  auto begun = stuck->begun.get_future();
  Outlet outlet;
  outlet.redirect(stuck);
  auto writing = std::async(std::launch::async, [&] { outlet.log(message("a")); });
  begun.wait();
  outlet.redirect(next);  // returns: nobody has read yet
  go_on.set_value();
  writing.get();
  outlet.log(message("b"));
  EXPECT_THAT(stuck->messages, ElementsAre("a"));
  EXPECT_THAT(next->messages, ElementsAre("b"));
}

TEST(Outlet, IsSwitchedOffByTheFlushThatComesAfterWhatWasLoggedBefore) {
  const auto sink = std::make_shared<ScriptedSink>();
  Outlet outlet;
  outlet.redirect(sink);
  outlet.log(message("a"));
  outlet.redirect(nullptr);
  outlet.log(message("b"));
  outlet.flush();
  outlet.log(message("c"));
  EXPECT_THAT(sink->messages, ElementsAre("a", "b"));
}

TEST(Outlet, CountsTheLinesThatCannotBeWrittenAndKeepsTheReason) {
  const auto sink = std::make_shared<ScriptedSink>();
  const auto lost = std::make_shared<LostLines>();
  sink->fails_with = "no space";
  Outlet outlet(lost);
  outlet.redirect(sink);
  outlet.log(message("a\nb\n"));
  EXPECT_EQ(lost->all.load(), 2U);
  EXPECT_EQ(lost->unsaid.load(), 2U);
  EXPECT_EQ(lost->why(), "no space");
}

TEST(SyslogLines, AreHandedOverOneByOneWithoutTheirEnds) {
  const auto sink = std::make_shared<ScriptedSink>();
  SyslogLines lines(sink);
  lines.log(message("a\n\nb c\nd"));
  EXPECT_THAT(sink->messages, ElementsAre("a", "b c", "d"));
}

}  // namespace
}  // namespace hangup::observe
