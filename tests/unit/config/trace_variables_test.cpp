// {trace.id} and {trace.parent} where listeners have no traces.
#include "unit/config/support.h"

namespace hangup::config {
namespace {

using testing::AllOf, testing::HasSubstr, testing::IsEmpty, testing::Not;

// A listener called http that says `trace`, and one called more unless `other` is empty; `plant` is a header
// that is planted in requests.
std::string configuration(const std::string& trace, const std::string& other, const std::string& plant) {
  const std::string more =
      other.empty() ? "" : ", {name: more, address: \"127.0.0.1:0\", trace: " + other + "}";
  return "listeners: [{name: http, address: \"127.0.0.1:0\", trace: " + trace + "}" + more + "]\n" +
         "upstreams: {app: {servers: [\"http://127.0.0.1:9000\"]}}\n" +
         "routes:\n  - upstream: app\n    request: {set_header: {X-Trace: \"" + plant + "\"}}\n";
}

TEST(TraceVariables, AreNoConcernWhereThereAreTraces) {
  for (const char* trace : {"continue", "start"})
    EXPECT_THAT(warnings(configuration(trace, "", "{trace.id} {trace.parent}")), IsEmpty());
  EXPECT_THAT(warnings(configuration("off", "", "{request.id}")), IsEmpty());
}

TEST(TraceVariables, ThatNeverHaveAValueAreWarnedOfWhereTheyStand) {
  expect_warning(configuration("off", "", "of §{trace.id}"),
                 AllOf(HasSubstr("{trace.id} never has a value, by `trace: off` of listener `http`"),
                       HasSubstr("write `trace: continue` there"), HasSubstr("use {request.id}"),
                       HasSubstr("or take it out")));
  expect_warning(configuration("off", "", "§{trace.parent|none}"),
                 AllOf(HasSubstr("{trace.parent} never has a value"), Not(HasSubstr("{request.id}"))));
  expect_warning(configuration("off", "off", "§{trace.id}"), HasSubstr("of listeners `http`, `more`"));
}

TEST(TraceVariables, ThatHaveNoneForSomeRequestsAreToHaveADefault) {
  expect_warning(configuration("off", "continue", "§{trace.id}"),
                 AllOf(HasSubstr("{trace.id} has no value for requests of listener `http`"),
                       HasSubstr("or give it a default: {trace.id|none}")));
  EXPECT_THAT(warnings(configuration("off", "continue", "{trace.id|none}")), IsEmpty());
}

TEST(TraceVariables, AreFoundWhereverTemplatesStand) {
  const std::string off = configuration("off", "", "");
  expect_warning(off + "    on_disconnect: {cleanup: {url: \"http://h/§{trace.id}\"}}\n", HasSubstr("never"));
  expect_warning(
      off + "    on_disconnect: {cleanup: {url: \"http://h/\", headers: {X-T: \"§{trace.id}\"}}}\n",
      HasSubstr("never"));
  expect_warning(off + "cleanups: {stop: {url: \"http://h/\", body: \"§{trace.parent}\"}}\n",
                 HasSubstr("never"));
  expect_warning(off + "access_log: {format: '{status} §{trace.id}'}\n", HasSubstr("never"));
  std::string balanced = off;
  balanced.replace(balanced.find("]}}"), 1, "], balance: \"hash(§{trace.id})\"");
  expect_warning(balanced, HasSubstr("never"));
}

TEST(TraceVariables, AreWarnedOfOnceForEachPlace) {
  EXPECT_THAT(warnings(configuration("off", "", "{trace.id} {trace.id} {trace.parent}")),
              testing::ElementsAre(testing::StartsWith("5:38: "), testing::StartsWith("5:49: "),
                                   testing::StartsWith("5:60: ")));
}

TEST(TraceVariables, OfTheAccessLogHaveADefaultForSomeRequests) {
  EXPECT_THAT(warnings(configuration("off", "start", "") + "access_log: {format: '{trace.id}'}\n"),
              IsEmpty());
}

}  // namespace
}  // namespace hangup::config
