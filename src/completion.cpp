#include "completion.h"

#include <CLI/CLI.hpp>
#include <string_view>
#include <vector>

namespace hangup {
namespace {

// What the script says, around what is known of the commands.
constexpr std::string_view head = R"(# bash completion of hangup, from `hangup completion bash`.
_hangup() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' word words=''
  COMPREPLY=()
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$command $word" in
)";
constexpr std::string_view values = R"( command="${command:+$command }$word" ;;
    esac
  done
  case "$command $previous" in
)";
constexpr std::string_view files = R"()
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return ;;
)";
constexpr std::string_view commands = R"(  esac
  case "$command" in
)";
constexpr std::string_view tail = R"(  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _hangup hangup
)";

struct Script {
  std::string subcommands;  // patterns of "COMMAND SUBCOMMAND"
  std::string file_options;
  std::string other_options;  // cases of options that take no file
  std::string words;          // cases of commands, with what may follow
};

void add_word(std::string& to, std::string_view word, std::string_view separator = " ") {
  if (word.empty()) return;
  if (!to.empty()) to += separator;
  to += word;
}

// The words that a value has to be one of, as CLI11 describes them, {a,b}; or nothing.
std::string choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t open = type.find('{'), close = type.rfind('}');
  if (open == std::string::npos || close == std::string::npos) return {};
  std::string choices = type.substr(open + 1, close - open - 1);
  for (char& c : choices) {
    if (c == ',') c = ' ';
  }
  return choices;
}

void add_values(const std::string& command, const CLI::Option& option,
                const std::vector<std::string>& spellings, Script& script) {
  std::string patterns;
  for (const std::string& spelling : spellings)
    add_word(patterns, '"' + command + ' ' + spelling + '"', " | ");
  if (option.get_type_name() == "FILE") return add_word(script.file_options, patterns, " | ");
  script.other_options += "    " + patterns + ")";
  // A value that is none of a few words is completed to nothing.
  if (const std::string choices = choices_of(option); !choices.empty())
    script.other_options +=
        "\n      mapfile -t COMPREPLY < <(compgen -W \"" + choices + "\" -- \"$current\")\n     ";
  script.other_options += " return ;;\n";
}

void add_command(const CLI::App& app, const std::string& command, Script& script) {
  std::string words;
  for (const CLI::App* inner : app.get_subcommands({})) {
    add_word(words, inner->get_name());
    add_word(script.subcommands, '"' + command + ' ' + inner->get_name() + '"', " | ");
  }
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) add_word(words, choices_of(*option));
    std::vector<std::string> spellings;
    for (const std::string& name : option->get_lnames()) spellings.push_back("--" + name);
    for (const std::string& name : option->get_snames()) spellings.push_back("-" + name);
    for (const std::string& spelling : spellings) add_word(words, spelling);
    if (!spellings.empty() && option->get_items_expected_max() > 0)
      add_values(command, *option, spellings, script);
  }
  script.words += "    \"" + command + "\") words=\"" + words + "\" ;;\n";
  for (const CLI::App* inner : app.get_subcommands({}))
    add_command(*inner, command.empty() ? inner->get_name() : command + ' ' + inner->get_name(), script);
}

}  // namespace

std::string bash_completion(const CLI::App& cli) {
  Script script;
  add_command(cli, "", script);
  std::string out(head);
  out += "      " + script.subcommands + ")";
  out += values;
  if (!script.file_options.empty()) out += "    " + script.file_options + std::string(files);
  out += script.other_options;
  out += commands;
  out += script.words;
  out += tail;
  return out;
}

}  // namespace hangup
