// A client's bytes: heads and bodies, one after the other. They read the same however they arrive, and what
// is taken reads the same when it is written afresh.
#include "fuzz/messages.h"
#include "http/trailers.h"

#include <hangup/base/text.h>

namespace hangup::fuzz {
namespace {

// As it is forwarded: in origin-form, with the framing written afresh.
void check_written_afresh(const http::RequestHead& head) {
  std::vector<http::Field> fields;
  for (const http::Field& field : head.fields) {
    if (!equals_ignoring_case(field.name, "Content-Length") &&
        !equals_ignoring_case(field.name, "Transfer-Encoding")) {
      fields.push_back(field);
    }
  }
  if (head.fields.count("Host") == 0) fields.push_back({"Host", head.host.empty() ? "h" : head.host});
  std::string target(head.path);
  if (head.has_query) target.append("?").append(head.query);
  std::string written;
  http::append_request_head(written, head.method, target, fields, head.framing);

  http::RequestHeadParser parser(http::HeadLimits{});
  const auto size = parser.parse(written);
  require(size.has_value() && *size == written.size(), "what is written afresh is one whole head");
  const http::RequestHead again = parser.take();
  require(again.method == head.method && again.path == head.path && again.query == head.query &&
              again.has_query == head.has_query && again.framing == head.framing,
          "what is written afresh asks the same");
  require(head.host.empty() || again.host == head.host, "what is written afresh asks the same host");
  for (const http::Field& field : fields) {
    require(again.fields.count(field.name) >= head.fields.count(field.name), "no field is lost");
  }
}

struct Heads {
  http::RequestHeadParser parser{limits};

  std::optional<std::size_t> read(std::string_view bytes, std::string& said, BodyReading& body) {
    const auto size = parser.parse(bytes);
    if (!size) {  // with which status may depend on the pieces, if there is more than one fault
      require(size.error().status >= 400 && size.error().status <= 505, "a refusal has a status");
      return std::nullopt;
    }
    if (*size == 0) {
      require(bytes.size() < limits.head_bytes, "a head is refused once it is over its limit");
      return 0;
    }
    const http::RequestHead head = parser.take();
    said += http::describe(head);
    check_written_afresh(head);
    body.start(head.framing);
    return *size;
  }
};

}  // namespace
}  // namespace hangup::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  hangup::fuzz::check_pieces(hangup::fuzz::view(data, size), [] { return hangup::fuzz::Heads{}; });
  return 0;
}
