#include "app/demo/log_reader.h"

#include "app/demo/json.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace hangup::app::demo {

Result<std::unique_ptr<LogReader>> LogReader::start(Timeline& timeline) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return std::unexpected(
        Error{fmt::format("can't make a pipe: {}", std::generic_category().message(errno))});
  }
  net::Fd read_end(ends[0]);
  net::Fd write_end(ends[1]);
  ::fcntl(read_end.get(), F_SETFL, O_NONBLOCK);
  return std::unique_ptr<LogReader>(new LogReader(timeline, std::move(read_end), std::move(write_end)));
}

LogReader::LogReader(Timeline& timeline, net::Fd read_end, net::Fd write_end)
    : timeline_(timeline),
      read_end_(std::move(read_end)),
      write_end_(std::move(write_end)),
      thread_([this] { read_lines(); }) {}

LogReader::~LogReader() {
  stop_.raise();
}

std::string LogReader::path() const {
  return fmt::format("/dev/fd/{}", write_end_.get());
}

void LogReader::read_lines() {
  std::array<pollfd, 2> fds{pollfd{read_end_.get(), POLLIN, 0}, pollfd{stop_.fd(), POLLIN, 0}};
  while (::poll(fds.data(), fds.size(), -1) >= 0 || errno == EINTR) {
    while (read_some()) {
    }
    if (fds[1].revents != 0) return;
  }
}

bool LogReader::read_some() {
  std::array<char, 4096> buffer;
  const ssize_t got = ::read(read_end_.get(), buffer.data(), buffer.size());
  if (got <= 0) return false;
  unfinished_.append(buffer.data(), static_cast<std::size_t>(got));
  std::size_t start = 0;
  for (std::size_t end; (end = unfinished_.find('\n', start)) != std::string::npos; start = end + 1) {
    record(std::string_view(unfinished_).substr(start, end - start));
  }
  unfinished_.erase(0, start);
  return true;
}

void LogReader::record(std::string_view line) {
  const auto document = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  Event event;
  event.kind =
      text_at(document, "/type") == "exchange" ? Event::Kind::exchange_logged : Event::Kind::attempt_logged;
  event.request_id = text_at(document, "/request_id");
  event.path = text_at(document, "/path");
  event.outcome = text_at(document, "/outcome");
  event.phase = text_at(document, "/phase");
  event.line = line;
  timeline_.record(std::move(event));
}

}  // namespace hangup::app::demo
