#include "proxy/trace.h"

#include <gtest/gtest.h>

#include <string>

namespace hangup::proxy {
namespace {

using Policy = config::Listener::Trace;

const std::string trace_id = "0af7651916cd43dd8448eb211c80319c";
const std::string valid = "00-" + trace_id + "-b7ad6b7169203331-01";

Trace trace_of(const std::string& field, Policy policy = Policy::continued) {
  http::Fields fields;
  fields.add("traceparent", field);
  RandomBytes random;
  return Trace(policy, fields, random);
}

TEST(Trace, OfAClientIsContinuedWithAParentOfOurOwn) {
  const Trace trace = trace_of(valid);
  EXPECT_TRUE(trace.continued());
  EXPECT_EQ(trace.id(), trace_id);
  EXPECT_EQ(trace.parent().size(), 55U);
  EXPECT_EQ(trace.parent().substr(0, 36), valid.substr(0, 36));
  EXPECT_NE(trace.parent().substr(36, 16), valid.substr(36, 16));
  EXPECT_TRUE(parse_traceparent(trace.parent()));
}

TEST(Trace, KeepsWhetherItIsSampledAndNoOtherFlag) {
  EXPECT_TRUE(trace_of("00-" + trace_id + "-b7ad6b7169203331-00").parent().ends_with("-00"));
  EXPECT_TRUE(trace_of("00-" + trace_id + "-b7ad6b7169203331-ff").parent().ends_with("-01"));
}

TEST(Trace, IsStartedForWhatIsNoTraceparent) {
  for (const std::string& field :
       {std::string(), "ff" + valid.substr(2), valid + "-00", valid + "x", valid.substr(0, 54),
        "00-" + std::string(32, '0') + "-b7ad6b7169203331-01", "00-" + trace_id + "-0000000000000000-01",
        std::string("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"), "00_" + valid.substr(3),
        "00-" + trace_id + "-b7ad6b7169203331-0g", "01" + valid.substr(2) + "x"}) {
    const Trace trace = trace_of(field);
    EXPECT_FALSE(trace.continued()) << field;
    EXPECT_NE(trace.id(), trace_id) << field;
    EXPECT_TRUE(parse_traceparent(trace.parent())) << field;
  }
}

TEST(Trace, OfALaterVersionIsReadByItsFront) {
  EXPECT_EQ(trace_of("01" + valid.substr(2)).id(), trace_id);
  EXPECT_EQ(trace_of("cc" + valid.substr(2) + "-what-comes").id(), trace_id);
}

TEST(Trace, OfTwoFieldsNeitherIsBelieved) {
  http::Fields fields;
  fields.add("traceparent", valid);
  fields.add("Traceparent", valid);
  RandomBytes random;
  EXPECT_FALSE(Trace(Policy::continued, fields, random).continued());
}

TEST(Trace, IsStartedOrLeftAloneWhereTheListenerSaysSo) {
  EXPECT_NE(trace_of(valid, Policy::start).id(), trace_id);
  EXPECT_EQ(trace_of(valid, Policy::off).parent(), "");
  EXPECT_EQ(trace_of(valid, Policy::off).id(), "");
}

}  // namespace
}  // namespace hangup::proxy
