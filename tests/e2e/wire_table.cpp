#include "e2e/wire_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <regex>
#include <stdexcept>

namespace hangup::test {
namespace {

// Decodes the escapes of one line.
class Decoder {
 public:
  explicit Decoder(std::string_view text) : rest_(text) {}

  std::string decode() {
    std::string out;
    while (!rest_.empty()) out += next();
    return out;
  }

 private:
  std::string next() {
    const char c = take();
    if (c != '\\') return {c};
    switch (const char kind = take()) {
      case 'r':
        return "\r";
      case 'n':
        return "\n";
      case 't':
        return "\t";
      case '0':
        return std::string(1, '\0');
      case '\\':
        return "\\";
      case 'x':
        return {static_cast<char>(number(take(2), 16))};
      case '{':
        return repeated();
      default:
        throw std::runtime_error(fmt::format("no such escape: \\{}", kind));
    }
  }

  // "COUNT TEXT}"
  std::string repeated() {
    const std::size_t blank = rest_.find(' ');
    const std::size_t end = rest_.find('}');
    if (blank == std::string_view::npos || end == std::string_view::npos || end < blank)
      throw std::runtime_error("expected \\{COUNT TEXT}");
    const unsigned count = number(rest_.substr(0, blank), 10);
    const std::string text = Decoder(rest_.substr(blank + 1, end - blank - 1)).decode();
    rest_.remove_prefix(end + 1);
    std::string out;
    for (unsigned i = 0; i < count; ++i) out += text;
    return out;
  }

  static unsigned number(std::string_view digits, int base) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (error != std::errc{} || end != digits.data() + digits.size())
      throw std::runtime_error(fmt::format("not a number: {}", digits));
    return value;
  }

  std::string_view take(std::size_t count) {
    if (rest_.size() < count) throw std::runtime_error("an escape without its end");
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  char take() { return take(1).front(); }

  std::string_view rest_;
};

}  // namespace

std::string WireCase::all(std::string_view keyword) const {
  std::string bytes;
  for (const Line& each : lines) {
    if (each.keyword == keyword) bytes += each.bytes;
  }
  return bytes;
}

bool WireCase::has(std::string_view keyword) const {
  return std::ranges::any_of(lines, [&](const Line& each) { return each.keyword == keyword; });
}

std::vector<WireCase> read_wire_table(const std::string& file) {
  const std::string path = std::string(HANGUP_E2E_DATA) + '/' + file;
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path);
  std::vector<WireCase> cases;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.empty() || line.front() == '#') continue;
    if (line.front() == '[' && line.back() == ']') {
      cases.push_back({line.substr(1, line.size() - 2), number, {}});
      continue;
    }
    const std::size_t blank = line.find(' ');
    try {
      if (cases.empty()) throw std::runtime_error("expected [the name of a case]");
      cases.back().lines.push_back(
          {line.substr(0, blank),
           blank == std::string::npos ? "" : Decoder(std::string_view(line).substr(blank + 1)).decode()});
    } catch (const std::runtime_error& error) {
      throw std::runtime_error(fmt::format("{}:{}: {}", path, number, error.what()));
    }
  }
  return cases;
}

std::string without_what_varies(const std::string& bytes) {
  static const std::regex id("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  static const std::regex date(R"([A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT)");
  return std::regex_replace(std::regex_replace(bytes, id, "{id}"), date, "{date}");
}

std::string forwarding_fields(std::string_view host, std::string_view version) {
  return fmt::format(
      "Via: {} hangup\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n{}X-Request-Id: {{id}}\r\n",
      version, host.empty() ? "" : fmt::format("X-Forwarded-Host: {}\r\n", host));
}

std::string expand_via(std::string text) {
  for (std::size_t at = 0; (at = text.find("{via", at)) != std::string::npos;) {
    const std::size_t blank = text.find(' ', at);
    const std::size_t end = text.find('}', at);
    if (blank == std::string::npos || end == std::string::npos)
      throw std::runtime_error("expected {via HOST}");
    const bool old = text.substr(at, blank - at) == "{via10";
    const std::string fields =
        forwarding_fields(text.substr(blank + 1, end - blank - 1), old ? "1.0" : "1.1");
    text.replace(at, end + 1 - at, fields);
    at += fields.size();
  }
  return text;
}

std::string escaped(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    if (c == '\r') {
      out += "\\r";
    } else if (c == '\n') {
      out += "\\n\n";  // and a line end, for who reads it
    } else if (c == '\\') {
      out += "\\\\";
    } else if (c >= 0x20 && c < 0x7f) {
      out += c;
    } else {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace hangup::test
