#include "support/http_message.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>
#include <utility>

namespace hangup::test {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("!#$%&'*+-.^_`|~").contains(static_cast<char>(c));
  });
}

bool is_version(std::string_view text) {
  return text == "HTTP/1.1" || text == "HTTP/1.0";
}

std::uint64_t number(std::string_view text, int base) {
  std::uint64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || code != std::errc{} || end != text.data() + text.size()) {
    throw Malformed("`" + std::string(text) + "` is not a number");
  }
  return value;
}

Field parse_field(const std::string& line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string::npos || !is_token(line.substr(0, colon)))
    throw Malformed("not a field: `" + line + "`");
  std::string_view value = std::string_view(line).substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
  if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
    throw Malformed("a control character in the field `" + line + "`");
  }
  return {line.substr(0, colon), std::string(value)};
}

void append_fields(std::string& out, const FieldList& fields) {
  for (const Field& field : fields) out += field.name + ": " + field.value + "\r\n";
}

std::string_view reason(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 103:
      return "Early Hints";
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    default:
      return "Something";
  }
}

}  // namespace

std::vector<std::string> Message::all(std::string_view name) const {
  std::vector<std::string> values;
  for (const Field& field : fields) {
    if (same_name(field.name, name)) values.push_back(field.value);
  }
  return values;
}

std::optional<std::string> Message::header(std::string_view name) const {
  const std::vector<std::string> values = all(name);
  if (values.size() > 1) throw std::logic_error("more than one field " + std::string(name));
  if (values.empty()) return std::nullopt;
  return values.front();
}

MessageReader MessageReader::for_request(std::size_t keep) {
  MessageReader reader(true);
  reader.keep_ = keep;
  return reader;
}

MessageReader MessageReader::for_response(std::string method, std::size_t keep) {
  MessageReader reader(false);
  reader.request_method_ = std::move(method);
  reader.keep_ = keep;
  return reader;
}

std::size_t MessageReader::feed(std::string_view bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && state_ != State::done) {
    const std::string_view rest = bytes.substr(taken);
    taken += state_ == State::payload || state_ == State::chunk_data ? take_payload(rest) : take_line(rest);
  }
  return taken;
}

void MessageReader::end_of_input() {
  if (state_ == State::payload && message_->framing == Message::Framing::until_close) finish();
}

std::size_t MessageReader::take_line(std::string_view bytes) {
  constexpr std::size_t longest = 256 * 1024;
  const std::size_t end = bytes.find('\n');
  const std::size_t taken = end == std::string_view::npos ? bytes.size() : end + 1;
  line_ += bytes.substr(0, taken);
  if (line_.size() > longest) throw Malformed("a line without end");
  if (end == std::string_view::npos) return taken;
  if (!line_.ends_with("\r\n")) throw Malformed("a line that ends in a bare LF: `" + line_ + "`");
  line_.resize(line_.size() - 2);
  const std::string line = std::exchange(line_, {});
  on_line(line);
  return taken;
}

std::size_t MessageReader::take_payload(std::string_view bytes) {
  const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left_));
  const std::string_view piece = bytes.substr(0, taken);
  message_->body += piece.substr(0, keep_ - std::min(keep_, message_->body.size()));
  message_->body_bytes += taken;
  message_->digest.add(piece);
  if (message_->framing != Message::Framing::until_close) left_ -= taken;
  if (left_ == 0) {
    if (state_ == State::chunk_data) {
      state_ = State::chunk_end;
    } else {
      finish();
    }
  }
  return taken;
}

void MessageReader::on_line(const std::string& line) {
  switch (state_) {
    case State::start_line:
      on_start_line(line);
      state_ = State::fields;
      break;
    case State::fields:
      if (line.empty()) {
        on_head();
      } else {
        message_->fields.push_back(parse_field(line));
      }
      break;
    case State::chunk_size:
      on_chunk_size(line);
      break;
    case State::chunk_end:
      if (!line.empty()) throw Malformed("a chunk longer than it says");
      state_ = State::chunk_size;
      break;
    case State::trailers:
      if (line.empty()) {
        finish();
      } else {
        message_->trailers.push_back(parse_field(line));
      }
      break;
    case State::payload:
    case State::chunk_data:
    case State::done:
      throw std::logic_error("a line where none is read");
  }
}

void MessageReader::on_start_line(const std::string& line) {
  const std::size_t first = line.find(' ');
  const std::size_t second = line.find(' ', first == std::string::npos ? first : first + 1);
  if (second == std::string::npos) throw Malformed("not a start line: `" + line + "`");
  const std::string a = line.substr(0, first);
  const std::string b = line.substr(first + 1, second - first - 1);
  const std::string c = line.substr(second + 1);
  if (request_) {
    if (!is_token(a) || b.empty() || !is_version(c)) throw Malformed("not a request line: `" + line + "`");
    message_->method = a;
    message_->target = b;
    message_->version = c;
  } else {
    if (!is_version(a) || b.size() != 3) throw Malformed("not a status line: `" + line + "`");
    message_->version = a;
    message_->status = static_cast<int>(number(b, 10));
    message_->reason = c;
  }
}

// RFC 9112 section 6.3, taking nothing that could be read in two ways.
void MessageReader::on_head() {
  Message& m = *message_;
  m.head_complete = true;
  const std::vector<std::string> lengths = m.all("Content-Length");
  const std::vector<std::string> codings = m.all("Transfer-Encoding");
  if (lengths.size() > 1 || codings.size() > 1) throw Malformed("more than one framing field of a kind");
  if (!lengths.empty() && !codings.empty()) throw Malformed("Content-Length and Transfer-Encoding");
  if (!codings.empty() && codings.front() != "chunked")
    throw Malformed("Transfer-Encoding: " + codings.front());
  if (request_ && m.all("Host").size() != 1) throw Malformed("a request without one Host field");
  if (!lengths.empty()) m.length = number(lengths.front(), 10);

  // What follows is a tunnel's bytes: of a client that asked for one, also if it does not get it.
  if (m.has("Upgrade") && m.has("Connection") && (request_ || m.status == 101)) {
    m.framing = Message::Framing::until_close;
    left_ = std::numeric_limits<std::uint64_t>::max();
    state_ = State::payload;
    return;
  }
  const bool bodiless =
      !request_ && (m.status < 200 || m.status == 204 || m.status == 304 || request_method_ == "HEAD");
  if (bodiless || (request_ && lengths.empty() && codings.empty())) return finish();
  if (!codings.empty()) {
    m.framing = Message::Framing::chunked;
    state_ = State::chunk_size;
  } else if (!lengths.empty()) {
    m.framing = Message::Framing::length;
    left_ = m.length;
    state_ = State::payload;
    if (left_ == 0) finish();
  } else {
    m.framing = Message::Framing::until_close;
    left_ = std::numeric_limits<std::uint64_t>::max();
    state_ = State::payload;
  }
}

void MessageReader::on_chunk_size(const std::string& line) {
  left_ = number(line.substr(0, line.find(';')), 16);
  state_ = left_ == 0 ? State::trailers : State::chunk_data;
}

void MessageReader::finish() {
  message_->complete = true;
  state_ = State::done;
}

std::string request(std::string_view method, std::string_view target, const FieldList& fields,
                    std::string_view body) {
  std::string out = std::string(method) + ' ' + std::string(target) + " HTTP/1.1\r\nHost: test.example\r\n";
  append_fields(out, fields);
  if (!body.empty()) out += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return out.append("\r\n").append(body);
}

std::string get(std::string_view target, const FieldList& fields) {
  return request("GET", target, fields);
}

std::string post(std::string_view target, std::string_view body, const FieldList& fields) {
  return request("POST", target, fields, body);
}

std::string response_head(int status, const FieldList& fields) {
  std::string out = "HTTP/1.1 " + std::to_string(status) + ' ' + std::string(reason(status)) + "\r\n";
  append_fields(out, fields);
  return out.append("\r\n");
}

std::string response(int status, std::string_view body, const FieldList& fields) {
  FieldList all = fields;
  if (status >= 200 && status != 204 && status != 304)
    all.push_back({"Content-Length", std::to_string(body.size())});
  return response_head(status, all).append(body);
}

std::string chunked_head(int status, const FieldList& fields) {
  FieldList all = fields;
  all.push_back({"Transfer-Encoding", "chunked"});
  return response_head(status, all);
}

std::string chunk(std::string_view data) {
  char size[17];
  char* const end = std::to_chars(size, size + sizeof size, data.size(), 16).ptr;
  return std::string(size, end).append("\r\n").append(data).append("\r\n");
}

std::string noise(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint64_t state = 0x9e3779b97f4a7c15U;
  for (char& byte : bytes) {
    state ^= state << 13U;
    state ^= state >> 7U;
    state ^= state << 17U;
    byte = static_cast<char>(state >> 32U);
  }
  return bytes;
}

}  // namespace hangup::test
