// The proxy's access log, read as it is written, through a pipe.
#pragma once

#include "app/demo/peer.h"
#include "app/demo/timeline.h"

#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include <hangup/base/error.h>
#include <hangup/net/fd.h>

namespace hangup::app::demo {

// Records each line as exchange_logged or attempt_logged.
class LogReader {
 public:
  // `timeline` outlives the reader.
  static Result<std::unique_ptr<LogReader>> start(Timeline& timeline);
  // Reads what was written until now, and ends.
  ~LogReader();
  // The file to log to.
  std::string path() const;

 private:
  LogReader(Timeline& timeline, net::Fd read_end, net::Fd write_end);
  void read_lines();
  // False when there is nothing to read.
  bool read_some();
  void record(std::string_view line);

  Timeline& timeline_;
  net::Fd read_end_;
  net::Fd write_end_;
  StopSign stop_;
  std::string unfinished_;
  std::jthread thread_;
};

}  // namespace hangup::app::demo
