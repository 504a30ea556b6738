#include "cleanup/delivery_codec.h"

#include "deliveries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>
#include <string>

namespace hangup::cleanup {
namespace {

Delivery full() {
  Delivery delivery = make_delivery("req", 3);
  delivery.socket = "/run/hook.sock";
  delivery.upstream = "app";
  delivery.server_name = "reports.internal";
  delivery.body = std::string("\0\xff\n", 3) + std::string(5000, 'x');
  delivery.delay = std::chrono::seconds(7);
  delivery.is_signed = true;
  return delivery;
}

TEST(DeliveryCodec, ReadsBackWhatItWrote) {
  const Delivery before = full();
  const auto after = decode_delivery(encode(before));
  ASSERT_TRUE(after);
  EXPECT_EQ(after->id, before.id);
  EXPECT_EQ(after->cleanup, before.cleanup);
  EXPECT_EQ(after->request_id, before.request_id);
  EXPECT_EQ(after->turn, before.turn);
  EXPECT_EQ(after->method, before.method);
  EXPECT_EQ(after->url, before.url);
  EXPECT_EQ(after->socket, before.socket);
  EXPECT_EQ(after->upstream, before.upstream);
  EXPECT_EQ(after->server_name, before.server_name);
  EXPECT_EQ(after->headers, before.headers);
  EXPECT_EQ(after->body, before.body);
  EXPECT_EQ(after->timeout, before.timeout);
  EXPECT_EQ(after->retry.max_attempts, before.retry.max_attempts);
  EXPECT_EQ(after->retry.backoff_base, before.retry.backoff_base);
  EXPECT_EQ(after->retry.backoff_max, before.retry.backoff_max);
  EXPECT_EQ(after->ok_status, before.ok_status);
  EXPECT_EQ(after->created, before.created);
  EXPECT_EQ(after->delay, before.delay);
  EXPECT_EQ(after->expire_after, before.expire_after);
  EXPECT_EQ(after->is_signed, before.is_signed);
}

// Whose deliveries are in a file that an older release may have to read.
TEST(DeliveryCodec, WritesWhatOlderReleasesDontReadOnlyWhereThereIsAny) {
  Delivery delivery = full();
  delivery.upstream.clear();
  delivery.server_name.clear();
  const std::string without = encode(delivery);
  EXPECT_EQ(without.front(), 1);
  EXPECT_EQ(decode_delivery(without)->given_id, "");
  delivery.given_id = "of-the-proxy";
  const std::string with = encode(delivery);
  EXPECT_EQ(with.front(), 2);
  ASSERT_TRUE(decode_delivery(with));
  EXPECT_EQ(decode_delivery(with)->given_id, "of-the-proxy");
  EXPECT_EQ(decode_delivery(with)->request_id, delivery.request_id);
  for (std::size_t size = 0; size < with.size(); ++size)
    ASSERT_FALSE(decode_delivery(std::string_view(with).substr(0, size))) << size;
}

TEST(DeliveryCodec, KeepsThatADeliveryNeverExpires) {
  Delivery delivery = make_delivery("req");
  delivery.expire_after.reset();
  EXPECT_EQ(decode_delivery(encode(delivery))->expire_after, std::nullopt);
}

TEST(DeliveryCodec, RefusesEveryTruncationAndWhatComesAfterTheEnd) {
  const std::string bytes = encode(full());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    ASSERT_FALSE(decode_delivery(std::string_view(bytes).substr(0, size))) << size;
  EXPECT_FALSE(decode_delivery(bytes + '\0'));
}

TEST(DeliveryCodec, RefusesALaterVersion) {
  std::string bytes = encode(full());
  bytes[0] = 3;
  EXPECT_FALSE(decode_delivery(bytes));
}

TEST(DeliveryCodec, SurvivesDamagedBytes) {
  std::mt19937 random(7);
  const std::string good = encode(make_delivery("req", 1));
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good;
    for (int change = 0; change < 4; ++change) bytes[random() % bytes.size()] = static_cast<char>(random());
    if (!decode_delivery(bytes)) ++refused;
  }
  EXPECT_GT(refused, 0);
}

TEST(DeliveryCodec, AHugeCountTakesNoMemory) {
  std::string bytes = encode(make_delivery("req"));
  const std::size_t count = bytes.find("Content-Type") - 2 * sizeof(std::uint32_t);
  bytes.replace(count, 4, "\xff\xff\xff\xff");
  EXPECT_FALSE(decode_delivery(bytes));
}

TEST(DeliveryCodec, BringsAnyTimeIntoTheClocksRange) {
  Delivery delivery = make_delivery("req");
  const std::string bytes = encode(delivery);
  for (const auto micros :
       {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    std::string other = bytes;
    // created stands before delay, the flag and the value of expire_after, and is_signed.
    std::memcpy(other.data() + other.size() - 26, &micros, sizeof micros);
    EXPECT_TRUE(decode_delivery(other));
  }
}

}  // namespace
}  // namespace hangup::cleanup
