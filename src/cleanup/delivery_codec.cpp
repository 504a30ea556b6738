#include "cleanup/delivery_codec.h"

#include "cleanup/bytes.h"

#include <utility>

namespace hangup::cleanup {
namespace {

// The second one has more at its end. The first is written where there is none of that, for older releases.
constexpr std::uint8_t version = 1;
constexpr std::uint8_t version_with_more = 2;

bool has_more(const Delivery& delivery) {
  return !delivery.given_id.empty() || !delivery.upstream.empty() || !delivery.server_name.empty();
}

std::int64_t nanoseconds(Duration duration) {
  return duration.count();
}

}  // namespace

void encode(std::string& out, const Delivery& delivery) {
  ByteWriter writer(out);
  writer.number(has_more(delivery) ? version_with_more : version);
  for (const std::string* text : {&delivery.id, &delivery.cleanup, &delivery.request_id, &delivery.method,
                                  &delivery.url, &delivery.socket, &delivery.body}) {
    writer.string(*text);
  }
  writer.number(static_cast<std::uint32_t>(delivery.turn));
  writer.number(static_cast<std::uint32_t>(delivery.headers.size()));
  for (const auto& [name, value] : delivery.headers) {
    writer.string(name);
    writer.string(value);
  }
  writer.number(nanoseconds(delivery.timeout));
  writer.number(static_cast<std::uint32_t>(delivery.retry.max_attempts));
  writer.number(nanoseconds(delivery.retry.backoff_base));
  writer.number(nanoseconds(delivery.retry.backoff_max));
  writer.number(static_cast<std::uint32_t>(delivery.ok_status.size()));
  for (const int status : delivery.ok_status) writer.number(static_cast<std::int32_t>(status));
  writer.number(to_micros(delivery.created));
  writer.number(nanoseconds(delivery.delay));
  writer.number(static_cast<std::uint8_t>(delivery.expire_after.has_value()));
  writer.number(nanoseconds(delivery.expire_after.value_or(Duration::zero())));
  writer.number(static_cast<std::uint8_t>(delivery.is_signed));
  if (!has_more(delivery)) return;
  for (const std::string* text : {&delivery.given_id, &delivery.upstream, &delivery.server_name}) {
    writer.string(*text);
  }
}

std::optional<Delivery> decode_delivery(std::string_view bytes) {
  ByteReader reader(bytes);
  const auto written = reader.number<std::uint8_t>();
  if (written != version && written != version_with_more) return std::nullopt;
  Delivery delivery;
  for (std::string* text : {&delivery.id, &delivery.cleanup, &delivery.request_id, &delivery.method,
                            &delivery.url, &delivery.socket, &delivery.body}) {
    *text = reader.string();
  }
  delivery.turn = reader.number<std::uint32_t>();
  const auto headers = reader.count(2 * sizeof(std::uint32_t));
  delivery.headers.reserve(headers);
  for (std::uint32_t i = 0; i < headers; ++i) {
    std::string name(reader.string());
    delivery.headers.emplace_back(std::move(name), reader.string());
  }
  delivery.timeout = Duration(reader.number<std::int64_t>());
  delivery.retry.max_attempts = reader.number<std::uint32_t>();
  delivery.retry.backoff_base = Duration(reader.number<std::int64_t>());
  delivery.retry.backoff_max = Duration(reader.number<std::int64_t>());
  const auto statuses = reader.count(sizeof(std::int32_t));
  delivery.ok_status.reserve(statuses);
  for (std::uint32_t i = 0; i < statuses; ++i) delivery.ok_status.push_back(reader.number<std::int32_t>());
  delivery.created = from_micros(reader.number<std::int64_t>());
  delivery.delay = Duration(reader.number<std::int64_t>());
  const bool expires = reader.number<std::uint8_t>() != 0;
  const Duration expire_after(reader.number<std::int64_t>());
  if (expires) delivery.expire_after = expire_after;
  delivery.is_signed = reader.number<std::uint8_t>() != 0;
  if (written == version_with_more) {
    for (std::string* text : {&delivery.given_id, &delivery.upstream, &delivery.server_name}) {
      *text = reader.string();
    }
  }
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  return delivery;
}

}  // namespace hangup::cleanup
