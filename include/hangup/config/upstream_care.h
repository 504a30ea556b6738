// How an upstream's servers are looked after while hangup runs: checks of their health, ejection of those
// that fail, and their names. Part of the configuration, see config.h.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <hangup/base/clock.h>

namespace hangup::config {

// A host whose addresses are looked up again and again.
struct Name {
  std::string host;
  std::uint16_t port = 0;

  bool operator==(const Name&) const = default;
};

// `health`: what each server is asked in order to find out whether it is up. The first check is made at once
// and decides alone; from then on it takes so many in a row to change its mind.
struct HealthCheck {
  struct Statuses {
    int first = 0;
    int last = 0;

    bool operator==(const Statuses&) const = default;
  };
  std::string path;            // with its query; empty: that it can be connected to is enough
  std::string method = "GET";  // without a body
  std::string host;            // the Host field; empty: as Upstream::host_policy says
  std::vector<Statuses> status = {{200, 399}};  // that a server which is up answers with
  Duration interval = std::chrono::seconds(5);  // from one check's start to the next one's
  Duration timeout = std::chrono::seconds(1);   // of a check, from connecting to the response's head
  unsigned unhealthy = 3;                       // so many failures in a row: it is down
  unsigned healthy = 2;                         // so many passes in a row: it is up again

  bool operator==(const HealthCheck&) const = default;
  bool passes(int answered) const {
    return std::ranges::any_of(
        status, [&](const Statuses& each) { return each.first <= answered && answered <= each.last; });
  }
};

// `outlier`: servers that fail requests get none for a while.
struct Outlier {
  unsigned failures = 5;                      // in a row
  Duration eject = std::chrono::seconds(10);  // times the number of ejections in a row
  unsigned max_ejected_percent = 50;          // of the servers at a time, rounded down

  bool operator==(const Outlier&) const = default;
};

}  // namespace hangup::config
