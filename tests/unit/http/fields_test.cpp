#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <hangup/http/fields.h>

namespace hangup::http {
namespace {

Fields connection(std::string_view value) {
  Fields fields;
  fields.add("Connection", value);
  return fields;
}

TEST(Fields, AreFoundWithoutCase) {
  Fields fields;
  fields.add("Accept", "a");
  fields.add("accept", "b");
  EXPECT_EQ(fields.find("ACCEPT"), "a");
  EXPECT_EQ(fields.count("aCCept"), 2U);
  EXPECT_EQ(fields.find("Accept-"), std::nullopt);
  EXPECT_EQ(fields.count("Accep"), 0U);
}

TEST(Fields, KeepOrderAndDuplicates) {
  Fields fields;
  fields.add("B", "1");
  fields.add("a", "2");
  fields.add("b", "3");
  std::string text;
  for (const auto& [name, value] : fields) text.append(name).append(value);
  EXPECT_EQ(text, "B1a2b3");
}

TEST(HopByHop, HasTheFixedSet) {
  const HopByHop hop_by_hop{Fields{}};
  for (const std::string_view name :
       {"Connection", "KEEP-ALIVE", "proxy-connection", "te", "Transfer-Encoding", "Upgrade", "Trailer",
        "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info"}) {
    EXPECT_TRUE(hop_by_hop.contains(name)) << name;
  }
  for (const std::string_view name :
       {"", "Host", "Content-Length", "Authorization", "Trailers", "T", "Upgrade-Insecure-Requests"}) {
    EXPECT_FALSE(hop_by_hop.contains(name)) << name;
  }
}

TEST(HopByHop, HasWhatEveryConnectionFieldNames) {
  Fields fields;
  fields.add("Connection", "keep-alive, X-One");
  fields.add("X-One", "1");
  fields.add("cOnnection", " ,x-TWO\t,, Authorization");
  const HopByHop hop_by_hop(fields);
  EXPECT_TRUE(hop_by_hop.contains("x-one"));
  EXPECT_TRUE(hop_by_hop.contains("X-Two"));
  EXPECT_TRUE(hop_by_hop.contains("authorization"));
  EXPECT_FALSE(hop_by_hop.contains("X-Three"));
  EXPECT_FALSE(hop_by_hop.contains("X-On"));
  EXPECT_FALSE(hop_by_hop.contains(""));
}

TEST(HopByHop, NeverTakesWhatTheMessageIsReadBy) {
  const HopByHop hop_by_hop(connection("host, CONTENT-LENGTH, close"));
  EXPECT_FALSE(hop_by_hop.contains("Host"));
  EXPECT_FALSE(hop_by_hop.contains("Content-Length"));
  EXPECT_FALSE(hop_by_hop.contains("Close"));
}

TEST(HopByHop, FindsEachOfALongList) {
  std::vector<std::string> names;
  std::string list;
  for (int i = 0; i < 2000; ++i) {
    names.push_back((i % 2 == 0 ? "x-" : "X-LONGER-") + std::to_string(i * 7919 % 2000));
    list += names.back() + ",";
  }
  const HopByHop hop_by_hop(connection(list));
  for (const std::string& name : names) EXPECT_TRUE(hop_by_hop.contains(name)) << name;
  EXPECT_FALSE(hop_by_hop.contains("x-2000"));
}

TEST(SameVariable, TakesDashAndUnderscoreForOne) {
  EXPECT_TRUE(same_variable("X-Forwarded-For", "x_forwarded-FOR"));
  EXPECT_TRUE(same_variable("", ""));
  EXPECT_FALSE(same_variable("X-Forwarded-For", "X-Forwarded"));
  EXPECT_FALSE(same_variable("X-A", "X.A"));
}

}  // namespace
}  // namespace hangup::http
