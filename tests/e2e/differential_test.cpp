// Random and mutated requests through the real program: what the upstream receives is never more, and never
// anything else, than a strict reading of the same bytes has it.
#include "e2e/fixture.h"
#include "e2e/wire_table.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>
#include <random>

namespace hangup::test {
namespace {

struct Reading {
  std::string method, target, host, body;
  bool complete = false;
};

// RFC 9112, read once more and by other means than hangup's. Takes nothing on trust: at the first byte that
// is not as it should be there is nothing more to be read.
class StrictReader {
 public:
  explicit StrictReader(std::string_view bytes) : rest_(bytes) {}

  std::vector<Reading> read_all() {
    while (!rest_.empty() && read_one()) {
    }
    return std::move(readings_);
  }

 private:
  static bool is_token(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
      return c < 0x80 &&
             (std::isalnum(c) != 0 || std::string_view("!#$%&'*+-.^_`|~").contains(static_cast<char>(c)));
    });
  }
  static bool is_text(std::string_view text) {
    return std::ranges::all_of(text, [](unsigned char c) { return c == '\t' || (c >= 0x20 && c != 0x7f); });
  }
  static std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return out;
  }
  static std::string_view trim(std::string_view text) {
    const std::size_t from = text.find_first_not_of(" \t");
    if (from == std::string_view::npos) return {};
    return text.substr(from, text.find_last_not_of(" \t") + 1 - from);
  }

  std::optional<std::string_view> line() {
    const std::size_t end = rest_.find("\r\n");
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view found = rest_.substr(0, end);
    rest_.remove_prefix(end + 2);
    if (!is_text(found)) return std::nullopt;
    return found;
  }

  bool read_request_line(Reading& reading) {
    auto first = line();
    while (first && first->empty()) first = line();
    if (!first) return false;
    const std::size_t a = first->find(' ');
    const std::size_t b = first->rfind(' ');
    if (a == std::string_view::npos || a == b) return false;
    const std::string_view version = first->substr(b + 1);
    reading.method = first->substr(0, a);
    reading.target = origin_form(first->substr(a + 1, b - a - 1), reading.method);
    return is_token(reading.method) && !reading.target.contains(' ') && version.size() == 8 &&
           version.starts_with("HTTP/1.") && version.back() >= '0' && version.back() <= '9';
  }

  static std::string origin_form(std::string_view target, std::string_view method) {
    const std::size_t scheme = target.find("://");
    if (target.starts_with('/') || scheme == std::string_view::npos) return std::string(target);
    const std::size_t path = target.find_first_of("/?", scheme + 3);
    if (path == std::string_view::npos) return method == "OPTIONS" ? "*" : "/";
    return (target[path] == '?' ? "/" : "") + std::string(target.substr(path));
  }

  // Field lines up to the empty one.
  bool read_fields(std::multimap<std::string, std::string>& fields) {
    for (;;) {
      const auto next = line();
      if (!next) return false;
      if (next->empty()) return true;
      const std::size_t colon = next->find(':');
      if (colon == std::string_view::npos || !is_token(next->substr(0, colon))) return false;
      fields.emplace(lower(next->substr(0, colon)), trim(next->substr(colon + 1)));
    }
  }

  bool read_one() {
    Reading reading;
    std::multimap<std::string, std::string> fields;
    if (!read_request_line(reading) || !read_fields(fields)) return false;
    if (fields.count("host") > 1 || fields.count("content-length") > 1 ||
        fields.count("transfer-encoding") > 1) {
      return false;
    }
    if (const auto host = fields.find("host"); host != fields.end()) reading.host = host->second;
    const auto length = fields.find("content-length");
    const auto coding = fields.find("transfer-encoding");
    if (coding != fields.end()) {
      if (length != fields.end() || lower(coding->second) != "chunked") return false;
      reading.complete = read_chunks(reading.body);
    } else if (length != fields.end()) {
      std::uint64_t size = 0;
      const std::string& digits = length->second;
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size);
      if (error != std::errc{} || end != digits.data() + digits.size() || digits.empty()) return false;
      reading.complete = take(reading.body, size);
    } else {
      reading.complete = true;
    }
    readings_.push_back(reading);
    return reading.complete;
  }

  bool take(std::string& body, std::uint64_t size) {
    const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(size, rest_.size()));
    body += rest_.substr(0, taken);
    rest_.remove_prefix(taken);
    return taken == size;
  }

  bool read_chunks(std::string& body) {
    for (;;) {
      const auto head = line();
      if (!head) return false;
      const std::size_t digits = std::min(head->find_first_not_of("0123456789abcdefABCDEF"), head->size());
      const std::string_view extension = trim(head->substr(digits));
      if (digits == 0 || digits > 16) return false;
      if (digits != head->size() && !extension.starts_with(';')) return false;
      std::uint64_t size = 0;
      std::from_chars(head->data(), head->data() + digits, size, 16);
      if (size == 0) {
        std::multimap<std::string, std::string> trailers;
        return read_fields(trailers);
      }
      if (!take(body, size) || !rest_.starts_with("\r\n")) return false;
      rest_.remove_prefix(2);
    }
  }

  std::string_view rest_;
  std::vector<Reading> readings_;
};

class Mutator {
 public:
  Mutator(std::vector<std::string> good, std::vector<std::string> bad, std::uint32_t seed)
      : good_(std::move(good)), bad_(std::move(bad)), random_(seed) {}

  std::string next() {
    std::string text;
    for (std::size_t requests = 1 + below(3); requests > 0; --requests)
      text += one_of(below(8) == 0 ? bad_ : good_);
    for (std::size_t changes = below(4); changes > 0 && !text.empty(); --changes) change(text);
    return text;
  }
  std::size_t below(std::size_t bound) { return random_() % bound; }

 private:
  const std::string& one_of(const std::vector<std::string>& seeds) { return seeds[below(seeds.size())]; }

  void change(std::string& text) {
    static constexpr std::string_view words[] = {"\r\n",
                                                 "\n",
                                                 "\r",
                                                 "\r\n\r\n",
                                                 " ",
                                                 "\t",
                                                 "\v",
                                                 ":",
                                                 ",",
                                                 ";",
                                                 "0",
                                                 "5",
                                                 "-",
                                                 "+",
                                                 "0x",
                                                 "chunked",
                                                 "identity",
                                                 "HTTP/1",
                                                 ".1",
                                                 ".0",
                                                 "_",
                                                 "\xff",
                                                 "GET",
                                                 "Content-Length: 5\r\n",
                                                 "Content-Length: 0\r\n",
                                                 "Transfer-Encoding: chunked\r\n",
                                                 "Transfer-Encoding: x\r\n",
                                                 "0\r\n\r\n",
                                                 "1\r\na\r\n",
                                                 "GET /in HTTP/1.1\r\nHost: in\r\n\r\n",
                                                 "Host: h\r\n",
                                                 "Connection: close\r\n",
                                                 "Connection: content-length\r\n"};
    const std::size_t at = below(text.size());
    const std::size_t size = std::min(text.size() - at, 1 + below(8));
    switch (below(6)) {
      case 0:
        text[at] = static_cast<char>(below(256));
        break;
      case 1:
        text.erase(at, size);
        break;
      case 2:
        text.insert(at, text.substr(at, size));
        break;
      case 3:
        text.insert(at, 1, '\0');
        break;
      default:
        text.insert(at, words[below(std::size(words))]);
    }
  }

  std::vector<std::string> good_;
  std::vector<std::string> bad_;
  std::mt19937 random_;
};

class Differential : public EndToEnd {
 protected:
  void SetUp() override {
    upstream.otherwise([](const RequestRecord& request) {
      if (request.message.method == "HEAD")
        return Script().send(response_head(200, {{"Content-Length", "0"}}));
      return respond(200, "ok");
    });
    Yaml yaml;
    yaml.listener = "timeouts: {header: 250ms, body_idle: 250ms, idle: 250ms}";
    yaml.upstream = "timeouts: {total: 2s}";
    yaml.route = R"(request: {set_header: {X-Client: "{client.port}"}})";
    start(yaml);
  }

  // Some clients at a time, each with what it has to say; until all are answered, or left.
  void round(Mutator& mutator) {
    std::vector<Client> clients;
    for (int i = 0; i < 128; ++i) {
      const std::string text = mutator.next();
      Client& client = clients.emplace_back(connect());
      const std::uint16_t port = client.local().port();
      if (!sent_.emplace(port, text).second) ambiguous_[port] = true;
      const std::size_t cut = mutator.below(text.size() + 1);
      if (mutator.below(2) == 0) {
        client.try_send(text);
      } else if (client.try_send(std::string_view(text).substr(0, cut))) {
        client.try_send(std::string_view(text).substr(cut));
      }
    }
    for (Client& client : clients) client.read_to_close();
  }

  // All that the upstream got of one client.
  void check(const std::string& text, const std::vector<const Message*>& received) {
    const std::vector<Reading> wanted = StrictReader(text).read_all();
    ASSERT_LE(received.size(), wanted.size()) << "more requests than were sent:\n" << escaped(text);
    for (std::size_t i = 0; i < received.size(); ++i) {
      const Message& message = *received[i];
      EXPECT_EQ(message.method, wanted[i].method) << escaped(text);
      EXPECT_EQ(message.target, wanted[i].target) << escaped(text);
      EXPECT_TRUE(wanted[i].host.empty() || message.header("Host") == wanted[i].host) << escaped(text);
      if (message.complete) {
        EXPECT_TRUE(wanted[i].complete) << escaped(text);
        EXPECT_EQ(message.body, wanted[i].body) << escaped(text);
      } else {
        EXPECT_TRUE(wanted[i].body.starts_with(message.body)) << escaped(text);
      }
    }
  }

  std::map<std::uint16_t, std::string> sent_;  // by the client's port
  std::map<std::uint16_t, bool> ambiguous_;    // ports that served two clients
};

TEST_F(Differential, NothingReachesTheUpstreamThatWasNotSent) {
  const char* const seconds = std::getenv("DIFFERENTIAL_SECONDS");
  const char* const seed = std::getenv("DIFFERENTIAL_SEED");
  const auto time = std::chrono::seconds(seconds == nullptr ? 3 : std::atoi(seconds));
  const auto number = seed == nullptr ? std::random_device()() : static_cast<unsigned>(std::atol(seed));
  SCOPED_TRACE("again with DIFFERENTIAL_SEED=" + std::to_string(number));

  std::vector<std::string> good, bad;
  for (const WireCase& each : read_wire_table("requests.txt")) {
    std::string text = each.all("send");
    if (text.size() < 2000) (each.all("then") == "200 keep" ? good : bad).push_back(std::move(text));
  }
  Mutator mutator(std::move(good), std::move(bad), number);
  for (const Time end = std::chrono::steady_clock::now() + time; std::chrono::steady_clock::now() < end;)
    round(mutator);
  drain();

  std::map<std::uint16_t, std::vector<const Message*>> received;
  const auto requests = upstream.requests();
  for (const RequestRecord& request : requests) {
    const std::string port = request.message.header("X-Client").value_or("0");
    received[static_cast<std::uint16_t>(std::stoi(port))].push_back(&request.message);
  }
  for (const auto& [port, messages] : received) {
    if (ambiguous_.contains(port)) continue;
    ASSERT_TRUE(sent_.contains(port)) << "a request of no client";
    check(sent_[port], messages);
    if (HasFailure()) break;
  }
  // Not all of it is refused: else nothing was compared.
  EXPECT_GT(requests.size(), sent_.size() / 4);
  RecordProperty("clients", static_cast<int>(sent_.size()));
  RecordProperty("forwarded", static_cast<int>(requests.size()));
}

}  // namespace
}  // namespace hangup::test
