#include <algorithm>
#include <charconv>

#include <hangup/http/message.h>

namespace hangup::http {
namespace {

void append_number(std::string& out, std::uint64_t number) {
  char digits[20];
  const auto [end, code] = std::to_chars(digits, digits + sizeof digits, number);
  out.append(digits, end);
}

// Room is made once for all of them.
void append_fields(std::string& out, std::span<const Field> fields) {
  constexpr std::string_view colon = ": ";
  constexpr std::string_view line_end = "\r\n";
  const std::size_t before = out.size();
  std::size_t after = before;
  for (const auto& [name, value] : fields)
    after += name.size() + colon.size() + value.size() + line_end.size();
  out.resize_and_overwrite(after, [&](char* text, std::size_t) {
    char* at = text + before;
    const auto put = [&at](std::string_view bytes) { at = std::copy_n(bytes.data(), bytes.size(), at); };
    for (const auto& [name, value] : fields) {
      put(name);
      put(colon);
      put(value);
      put(line_end);
    }
    return after;
  });
}

}  // namespace

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" ||
         method == "OPTIONS" || method == "TRACE";
}

// clang-format off: a table
std::string_view reason_phrase(int status) {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 102: return "Processing";
    case 103: return "Early Hints";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 207: return "Multi-Status";
    case 208: return "Already Reported";
    case 226: return "IM Used";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 305: return "Use Proxy";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 423: return "Locked";
    case 424: return "Failed Dependency";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 506: return "Variant Also Negotiates";
    case 507: return "Insufficient Storage";
    case 508: return "Loop Detected";
    case 511: return "Network Authentication Required";
    default: return "";
  }
}
// clang-format on

void append_request_head(std::string& out, std::string_view method, std::string_view target,
                         std::span<const Field> fields, const Framing& framing) {
  out.append(method).append(" ").append(target).append(" HTTP/1.1\r\n");
  append_fields(out, fields);
  if (framing.kind == Framing::Kind::length) {
    out.append("Content-Length: ");
    append_number(out, framing.length);
    out.append("\r\n");
  } else if (framing.kind == Framing::Kind::chunked) {
    out.append("Transfer-Encoding: chunked\r\n");
  }
  out.append("\r\n");
}

void append_response_start(std::string& out, int status, std::string_view reason,
                           std::span<const Field> fields) {
  out.append("HTTP/1.1 ");
  append_number(out, static_cast<std::uint64_t>(status));
  out.append(" ").append(reason.empty() ? reason_phrase(status) : reason).append("\r\n");
  append_fields(out, fields);
}

}  // namespace hangup::http
