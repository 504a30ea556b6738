// What bash offers, and the schema for editors: both are printed by the program itself.
#include "e2e/fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <sstream>

namespace hangup::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using Words = std::vector<std::string>;

// What is offered for the last of the words, which may be empty.
Words offered(const Words& words) {
  Words command = {"bash", "-c",
                   "source <(\"$0\" completion bash); COMP_WORDS=(hangup \"$@\"); COMP_CWORD=$#; _hangup; "
                   "printf '%s\\n' \"${COMPREPLY[@]}\"",
                   binary()};
  command.insert(command.end(), words.begin(), words.end());
  const Finished finished = run(std::move(command));
  EXPECT_EQ(finished.err, "");
  Words out;
  std::istringstream lines(finished.out);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) out.push_back(line);
  }
  return out;
}

struct Help {
  Words subcommands;
  Words options;
};

// What the help of a command lists.
Help help_of(Words command) {
  command.insert(command.begin(), binary());
  command.emplace_back("--help");
  const Finished finished = run(std::move(command));
  EXPECT_EQ(finished.exit.status, 0) << finished.err;
  Help help;
  static const std::regex option("^  (-\\w,)?(--[\\w-]+)"), subcommand("^  ([a-z]\\w*)  ");
  bool in_subcommands = false;
  std::smatch match;
  std::istringstream lines(finished.out);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("Subcommands:")) in_subcommands = true;
    if (line.empty()) in_subcommands = false;
    if (std::regex_search(line, match, option)) help.options.push_back(match[2]);
    if (in_subcommands && std::regex_search(line, match, subcommand)) help.subcommands.push_back(match[1]);
  }
  return help;
}

// Returns how many commands it looked at.
std::size_t expect_what_help_lists(const Words& command) {
  const Help help = help_of(command);
  Words words = command;
  words.emplace_back("");
  const Words all = offered(words);
  for (const std::string& option : help.options) EXPECT_THAT(all, Contains(option)) << words.front();
  std::size_t seen = 1;
  for (const std::string& subcommand : help.subcommands) {
    EXPECT_THAT(all, Contains(subcommand));
    words.back() = subcommand;
    seen += expect_what_help_lists(words);
  }
  return seen;
}

TEST(Completion, OffersEverySubcommandAndOptionThatHelpLists) {
  EXPECT_GT(expect_what_help_lists({}), 15);
}

TEST(Completion, OffersFilesForAConfigurationAndTheWordsThatAValueMayBe) {
  TempDir dir;
  write_file(dir / "first one.yaml", "");
  const std::string start = dir / "first";
  EXPECT_THAT(offered({"run", "-c", start}), ElementsAre(start + " one.yaml"));
  EXPECT_THAT(offered({"outbox", "list", "--state", "d"}), UnorderedElementsAre("delivered", "dead"));
  EXPECT_THAT(offered({"outbox", "list", "--limit", ""}), IsEmpty());
  EXPECT_THAT(offered({"completion", "b"}), ElementsAre("bash"));
}

TEST(Completion, KnowsTheCommandBehindItsOptions) {
  EXPECT_THAT(offered({"outbox", "retry", "-c", "x.yaml", "--a"}), ElementsAre("--all-dead"));
  EXPECT_THAT(offered({"ru"}), ElementsAre("run"));
}

TEST(Schema, IsPrintedByTheProgramAsItStandsInTheTree) {
  const Finished printed = run({binary(), "schema"});
  EXPECT_EQ(printed.exit.status, 0);
  EXPECT_EQ(printed.out, read_file(std::filesystem::path(HANGUP_SOURCE_DIR) / "conf/hangup.schema.json"));
}

}  // namespace
}  // namespace hangup::test
