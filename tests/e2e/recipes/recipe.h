// What the tests of the recipes share: a recipe as it lies in conf/recipes, run by the real binary, and a
// real client that leaves.
#pragma once

#include "support/hangup.h"
#include "support/process.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace hangup::test {

using Json = nlohmann::json;

// A recipe's file. Must outlive what it started: the outbox is in its directory.
class Recipe {
 public:
  explicit Recipe(std::string_view name);

  // A value for a ${NAME:-default} of the file, which must have it.
  Recipe& set(const std::string& name, const std::string& value);
  // The same file with no route calling anything.
  Recipe& without_cleanups();
  // Listens at a port of its own. Ends the one that was started before, whose outbox it takes over.
  Hangup& start();

 private:
  TempDir dir_;
  std::string text_;
  std::vector<std::pair<std::string, std::string>> environment_;
  std::unique_ptr<Hangup> hangup_;
};

// curl, asking for something that takes long.
class Curl {
 public:
  explicit Curl(std::vector<std::string> arguments);
  // Is killed, as by somebody's impatience: its connection closes. Fails the test if it had got its answer.
  void leave();
  // What it has received so far.
  std::string received() const { return read_file(dir_ / "out"); }

 private:
  TempDir dir_;
  Process process_;
};

// The log's line of the one exchange whose client has left; fails the test if it ended otherwise.
Json wait_for_departure(Hangup& hangup);
// The log's line of a cleanup of the exchange that was acknowledged.
Json wait_for_delivery(Hangup& hangup, const Json& exchange);

}  // namespace hangup::test
