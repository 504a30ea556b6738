// The command line.
#include "completion.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <sstream>
#include <string>

#include <hangup/app/commands.h>

namespace {

namespace commands = hangup::app::commands;

constexpr const char* exit_statuses =
    "Exit status: 0 as it should be; 1 the configuration is wrong; 2 the command line is wrong; 3 it can't "
    "start\n"
    "(an address in use, a log that can't be written); 4 `demo --once` saw something that was not as "
    "promised; 5 the\n"
    "command could not do what it was asked for.";

// What the chosen subcommand was given.
struct Arguments {
  std::string config_file;
  commands::ExplainRequest explain;
  bool once = false;
  commands::OutboxRequest outbox;
  std::string cleanup;
  std::string token_name;
  std::string shell;
};

void add_config_option(CLI::App& command, std::string& file) {
  command.add_option("-c,--config", file, "The configuration, a YAML file")->required()->type_name("FILE");
}

void define_outbox(CLI::App& cli, Arguments& arguments) {
  using Verb = commands::OutboxRequest::Verb;
  commands::OutboxRequest& request = arguments.outbox;
  CLI::App& outbox = *cli.add_subcommand("outbox", "Look at and change the deliveries of cleanups");
  outbox.description(
      "Works on the file that `outbox.path` of the configuration names, whether hangup runs or not; a "
      "running "
      "one learns\n"
      "of changes within a second.");
  outbox.require_subcommand(1);
  const auto add = [&](const char* name, const char* description, Verb verb) -> CLI::App& {
    CLI::App& command = *outbox.add_subcommand(name, description);
    add_config_option(command, arguments.config_file);
    command.add_flag("--json", request.json, "Print JSON");
    command.callback([&request, verb] { request.verb = verb; });
    return command;
  };
  CLI::App& list = add("list", "List deliveries, the newest first", Verb::list);
  list.add_option("--state", request.state, "Only those in this state")
      ->check(CLI::IsMember({"pending", "in_flight", "delivered", "dead"}));
  list.add_option("--cleanup", request.cleanup, "Only those of this cleanup")->type_name("NAME");
  list.add_option("--limit", request.limit, "At most so many")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();

  add("show", "Show one delivery, with the request that is sent", Verb::show)
      .add_option("ID", request.ids, "Its webhook-id")
      ->required()
      ->expected(1)
      ->type_name("");

  CLI::App& retry = add("retry", "Try dead letters again, and pending deliveries at once", Verb::retry);
  CLI::Option* ids = retry.add_option("ID", request.ids, "Their webhook-ids")->type_name("");
  retry.add_flag("--all-dead", request.all_dead, "Every dead letter")->excludes(ids);
  retry.callback([&request] {
    request.verb = Verb::retry;
    if (request.ids.empty() && !request.all_dead) throw CLI::RequiredError("an ID, or --all-dead,");
  });

  add("drop", "Take deliveries out of the outbox: they are not called any more", Verb::drop)
      .add_option("ID", request.ids, "Their webhook-ids")
      ->required()
      ->type_name("");

  add("stats", "Count deliveries by cleanup and state", Verb::stats);
}

void define_commands(CLI::App& cli, Arguments& arguments) {
  CLI::App& run = *cli.add_subcommand("run", "Proxy until SIGTERM or SIGINT");
  run.description(
      "Proxies as the configuration says, in the foreground.\n"
      "SIGTERM or SIGINT drains: no new connections, exchanges may finish for up to `shutdown.drain`, "
      "cleanups still\n"
      "owed are delivered. A second signal ends at once. SIGHUP reads the configuration again, SIGUSR1 opens "
      "log files\nagain.");
  add_config_option(run, arguments.config_file);

  CLI::App& check = *cli.add_subcommand("check", "Say everything that is wrong with a configuration");
  check.description(
      "Reads a configuration without starting anything and writes each problem to stderr as "
      "FILE:LINE:COLUMN: MESSAGE.\n"
      "Exit status 0 when there is none, else 1.");
  add_config_option(check, arguments.config_file);

  CLI::App& explain =
      *cli.add_subcommand("explain", "Say what would be done with a request whose client disconnects");
  explain.description(
      "Says which route a request matches and why not the ones before it, where it would be sent, what a "
      "disconnect\n"
      "would do in each phase, and which cleanup would be called. Sends nothing.");
  add_config_option(explain, arguments.config_file);
  explain.add_option("METHOD", arguments.explain.method, "GET, POST, ...")->required()->type_name("");
  explain.add_option("URL", arguments.explain.url, "http://HOST/PATH, or /PATH")->required()->type_name("");
  explain
      .add_option("-H,--header", arguments.explain.headers,
                  "A header of the request; may be given several times")
      ->type_name("'NAME: VALUE'")
      ->allow_extra_args(false);

  CLI::App& demo =
      *cli.add_subcommand("demo", "See it work: a backend, a webhook and clients that leave, on loopback");
  demo.description(
      "Starts a demo backend, a webhook receiver and the proxy on loopback, lets scripted clients complete, "
      "leave while\n"
      "they wait and leave while they are sent a stream, and prints what happened when. Then serves until "
      "Ctrl-C.");
  demo.add_flag("--once", arguments.once,
                "End after the script; exit status 4 if anything was not as promised");

  define_outbox(cli, arguments);

  CLI::App& cleanup = *cli.add_subcommand("cleanup", "Try the cleanups of a configuration");
  cleanup.require_subcommand(1);
  CLI::App& test = *cleanup.add_subcommand("test", "Send one marked test event to a cleanup's receiver");
  test.description(
      "Renders the cleanup with sample values ({outcome} is `test`), adds the header `X-Hangup-Test: true`, "
      "sends it once\n"
      "and prints what came of it. Nothing is kept in the outbox.");
  add_config_option(test, arguments.config_file);
  test.add_option("NAME", arguments.cleanup, "A name under `cleanups:`")->required()->type_name("");

  CLI::App& token = *cli.add_subcommand("token", "Make tokens that let clients in");
  token.require_subcommand(1);
  CLI::App& new_token = *token.add_subcommand("new", "Make a token");
  new_token.description(
      "Writes the line for the file that `auth.bearer_tokens_file` names to stdout, and the token, which is "
      "kept nowhere,\n"
      "to stderr: (umask 077; hangup token new --name ci >> /etc/hangup/tokens)");
  new_token.add_option("--name", arguments.token_name, "What logs call it")->required()->type_name("NAME");

  cli.add_subcommand("schema", "Print the JSON Schema of the configuration")
      ->description(
          "Prints a JSON Schema (draft 2020-12) with every key of the configuration, for editors and for "
          "tools "
          "that check\n"
          "YAML. `hangup check` finds more: what names refer to, and whether values fit together.");

  CLI::App& completion = *cli.add_subcommand("completion", "Print what makes a shell complete this command");
  completion.description(
      "Writes a script to stdout; in ~/.bashrc: source <(hangup completion bash). With zsh, after "
      "bashcompinit.");
  completion.add_option("SHELL", arguments.shell, "bash")
      ->required()
      ->check(CLI::IsMember({"bash"}))
      ->type_name("");

  cli.add_subcommand("version", "Print the versions of hangup and of what it is built on")
      ->description("Prints the versions of hangup, of its libraries and of the compiler it was built with.");
}

int execute(const CLI::App& cli, Arguments& arguments) {
  if (cli.got_subcommand("run")) return commands::run(arguments.config_file, std::cerr);
  if (cli.got_subcommand("check")) return commands::check(arguments.config_file, std::cout, std::cerr);
  if (cli.got_subcommand("explain")) {
    arguments.explain.config_file = arguments.config_file;
    return commands::explain(arguments.explain, std::cout, std::cerr);
  }
  if (cli.got_subcommand("outbox")) {
    arguments.outbox.config_file = arguments.config_file;
    return commands::outbox(arguments.outbox, std::cout, std::cerr);
  }
  if (cli.got_subcommand("cleanup")) {
    return commands::test_cleanup(arguments.config_file, arguments.cleanup, std::cout, std::cerr);
  }
  if (cli.got_subcommand("token")) return commands::new_token(arguments.token_name, std::cout, std::cerr);
  if (cli.got_subcommand("demo")) return commands::demo(arguments.once, std::cout, std::cerr);
  if (cli.got_subcommand("schema")) return commands::schema(std::cout);
  if (cli.got_subcommand("completion")) {
    std::cout << hangup::bash_completion(cli);
    return commands::exit_ok;
  }
  return commands::version(std::cout);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App cli(
      "hangup: a reverse proxy that notices when the client hangs up, aborts the request at the upstream and "
      "calls\n"
      "a cleanup webhook.",
      "hangup");
  cli.require_subcommand(1);
  cli.footer(exit_statuses);
  cli.set_version_flag("--version", [] {
    std::ostringstream text;
    commands::version(text);
    std::string line = text.str();
    line.pop_back();  // CLI11 ends it
    return line;
  });
  Arguments arguments;
  define_commands(cli, arguments);
  const auto say = [&cli](const CLI::ParseError& error) {
    return cli.exit(error) == 0 ? commands::exit_ok : commands::exit_usage;
  };
  try {
    cli.parse(argc, argv);
  } catch (const CLI::RequiredError& error) {  // which comes before what would say that a word is unknown
    const auto unknown = cli.remaining(true);
    return unknown.empty() ? say(error) : say(CLI::ExtrasError(unknown));
  } catch (const CLI::ParseError& error) {
    return say(error);
  }
  return execute(cli, arguments);
}
