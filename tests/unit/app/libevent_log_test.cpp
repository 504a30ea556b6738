#include "app/libevent_log.h"

#include <event2/event.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <memory>
#include <sstream>

#include <hangup/net/fd.h>

namespace hangup::app {
namespace {

using testing::HasSubstr, testing::StartsWith;

TEST(LibeventLog, HoldsWhatLibeventSays) {
  std::ostringstream lines;
  auto sink = std::make_shared<spdlog::sinks::ostream_sink_st>(lines);
  auto logger = std::make_shared<spdlog::logger>("log", sink);
  logger->set_pattern("%l %v");
  const LibeventLog log(logger);
  const std::unique_ptr<event_base, decltype(&event_base_free)> base(event_base_new(), &event_base_free);
  const net::Fd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));  // which can't be watched
  const std::unique_ptr<event, decltype(&event_free)> watched(
      event_new(base.get(), file.get(), EV_READ, [](evutil_socket_t, short, void*) {}, nullptr), &event_free);
  EXPECT_NE(event_add(watched.get(), nullptr), 0);
  EXPECT_THAT(lines.str(), StartsWith("warning libevent: Epoll ADD"));
  EXPECT_THAT(lines.str(), HasSubstr("Operation not permitted\n"));
}

}  // namespace
}  // namespace hangup::app
