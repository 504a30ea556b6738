// A server's bytes: interim and final heads, and bodies. They read the same however they arrive, and what is
// taken reads the same when it is written afresh.
#include "fuzz/messages.h"

#include <hangup/base/text.h>

namespace hangup::fuzz {
namespace {

void check_written_afresh(const http::ResponseHead& head) {
  std::vector<http::Field> fields;
  for (const http::Field& field : head.fields) fields.push_back(field);
  std::string written;
  http::append_response_start(written, head.status, head.reason, fields);
  written += "\r\n";
  http::ResponseHeadParser parser(http::HeadLimits{});
  const auto size = parser.parse(written, "HEAD");
  // HTTP/1.1 where it was 1.0, for which chunks are refused: no way from one to the other that matters here.
  require(size.has_value() && *size == written.size(), "what is written afresh is one whole head");
  const http::ResponseHead again = parser.take();
  require(again.status == head.status && http::describe(again.fields) == http::describe(head.fields),
          "what is written afresh says the same");
  require(head.reason.empty() || again.reason == head.reason, "the reason stays");
}

struct Heads {
  std::string_view method;
  http::ResponseHeadParser parser{limits};

  std::optional<std::size_t> read(std::string_view bytes, std::string& said, BodyReading& body) {
    const auto size = parser.parse(bytes, method);
    if (!size) return std::nullopt;
    if (*size == 0) {
      require(bytes.size() < limits.head_bytes, "a head is refused once it is over its limit");
      return 0;
    }
    const http::ResponseHead head = parser.take();
    said += http::describe(head);
    require(head.status >= 100 && head.status <= 999, "a status has three digits");
    check_written_afresh(head);
    body.start(head.framing);
    return *size;
  }
};

}  // namespace
}  // namespace hangup::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = hangup::fuzz::view(data, size);
  hangup::fuzz::check_pieces(text, [] { return hangup::fuzz::Heads{.method = "GET"}; });
  hangup::fuzz::check_pieces(text, [] { return hangup::fuzz::Heads{.method = "HEAD"}; });
  return 0;
}
