// The subcommands, as a user meets them.
#include "e2e/fixture.h"
#include "support/dns_server.h"

#include <gtest/gtest.h>

#include <regex>

namespace hangup::test {
namespace {

class CommandLine : public EndToEnd {
 protected:
  std::string file(const std::string& text) {
    const auto path = dir_ / "hangup.yaml";
    write_file(path, text);
    return path.string();
  }
  Finished command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), binary());
    Finished finished = ::hangup::test::run(std::move(arguments));
    EXPECT_FALSE(finished.exit.signal) << finished.exit.to_string() << finished.err;
    EXPECT_EQ(sanitizer_report(finished.err), "");
    return finished;
  }
  static bool mentions(const std::string& text, const std::string& what) {
    return text.find(what) != std::string::npos;
  }
  TempDir dir_;
};

TEST_F(CommandLine, CheckApprovesOfAGoodFile) {
  const Finished checked = command({"check", "-c", file(configuration())});
  EXPECT_EQ(checked.exit.status, 0) << checked.err;
  EXPECT_EQ(checked.err, "");
}

TEST_F(CommandLine, CheckWarnsOfServersWhoseNamesCanNotBeLookedUp) {
  DnsServer dns;
  dns.set("known.test", {"127.0.0.1"});
  Yaml yaml;
  yaml.servers = "\"http://known.test\", \"http://unknown.test\"";
  const Finished checked =
      command({"check", "-c", file(configuration(yaml) + "resolver: \"" + dns.where() + "\"\n")});
  EXPECT_EQ(checked.exit.status, 0) << checked.err;
  EXPECT_TRUE(
      mentions(checked.err, "warning: upstream app: http://unknown.test: cannot look up unknown.test"))
      << checked.err;
  EXPECT_FALSE(mentions(checked.err, " known.test")) << checked.err;
}

TEST_F(CommandLine, CheckAndTheLogWarnOfATracesIdWhereThereAreNoTraces) {
  const std::string text =
      configuration({.listener = "trace: off", .route = "response: {set_header: {X-Trace: \"{trace.id}\"}}"});
  const std::string path = file(text);
  const Finished checked = command({"check", "-c", path});
  EXPECT_EQ(checked.exit.status, 0) << checked.err;
  std::smatch place;
  ASSERT_TRUE(std::regex_search(checked.err, place,
                                std::regex(":([0-9]+:[0-9]+): warning: \\{trace.id\\} never has a value")))
      << checked.err;
  EXPECT_TRUE(checked.err.starts_with(path + place.str().substr(0, 1))) << checked.err;
  hangup = std::make_unique<Hangup>(text);
  EXPECT_TRUE(mentions(hangup->log(), hangup->configuration_file().string() + ":" + place[1].str() +
                                          ": {trace.id} never has a value"))
      << hangup->log();
}

TEST_F(CommandLine, CheckReportsEveryProblemWithItsPlace) {
  const std::string path = file(R"(workers: many
listeners:
  - {name: public, adress: "127.0.0.1:0"}
upstreams:
  app: {servers: ["http://127.0.0.1:9"], timeouts: {connect: 1 parsec}}
routes:
  - {name: all, match: {path: "/*"}, upstream: ap}
)");
  const Finished checked = command({"check", "-c", path});
  EXPECT_EQ(checked.exit.status, 1);
  std::string escaped = std::regex_replace(path, std::regex("[.]"), "[.]");
  for (const char* place : {":1:10: ", ":3:[0-9]+: ", ":5:[0-9]+: ", ":7:[0-9]+: "}) {
    EXPECT_TRUE(std::regex_search(checked.err, std::regex(escaped + place))) << place << '\n' << checked.err;
  }
  EXPECT_TRUE(mentions(checked.err, "`address`")) << checked.err;  // what adress was meant to be
  EXPECT_TRUE(mentions(checked.err, "`app`")) << checked.err;
}

TEST_F(CommandLine, CheckReportsTextThatIsNoYaml) {
  const Finished checked = command({"check", "-c", file("listeners: [\n")});
  EXPECT_EQ(checked.exit.status, 1);
  EXPECT_TRUE(std::regex_search(checked.err, std::regex(":[0-9]+:[0-9]+: "))) << checked.err;
}

TEST_F(CommandLine, CheckNamesAFileThatIsNotThere) {
  const Finished checked = command({"check", "-c", "/nonexistent/hangup.yaml"});
  EXPECT_EQ(checked.exit.status, 1);
  EXPECT_TRUE(mentions(checked.err, "/nonexistent/hangup.yaml")) << checked.err;
}

TEST_F(CommandLine, VersionSaysIt) {
  const Finished said = command({"version"});
  EXPECT_EQ(said.exit.status, 0);
  EXPECT_TRUE(std::regex_search(said.out, std::regex("hangup [0-9]+[.][0-9]+[.][0-9]+"))) << said.out;
  EXPECT_EQ(command({"--version"}).out, said.out);
}

TEST_F(CommandLine, ExplainNamesTheRouteAndWhatADisconnectWouldDo) {
  const std::string path = file(configuration({.match = R"(path: "/jobs/{id}", methods: [POST])"}));
  const Finished said = command({"explain", "-c", path, "POST", "http://test.example/jobs/7"});
  EXPECT_EQ(said.exit.status, 0) << said.err;
  EXPECT_TRUE(mentions(said.out, "all")) << said.out;
  EXPECT_TRUE(mentions(said.out, "stop")) << said.out;
  EXPECT_TRUE(mentions(said.out, "abort")) << said.out;
  EXPECT_EQ(upstream.connections().size(), 0U);

  const Finished unmatched = command({"explain", "-c", path, "GET", "http://test.example/jobs/7"});
  EXPECT_TRUE(mentions(unmatched.out, "405")) << unmatched.out;
}

TEST_F(CommandLine, ExplainShowsWhatIsPlantedAndCalledButNoSecret) {
  const std::string secret = "whsec_" + std::string(32, 'A');
  write_file(dir_ / "token", "Bearer of-file\n");
  const std::string path = file(R"(listeners: [{address: "127.0.0.1:0"}]
upstreams: {app: {servers: ["http://127.0.0.1:9", "http://127.0.0.1:10"]}}
routes:
  - match: {path: "/jobs/{id}"}
    upstream: app
    request:
      set_header: {X-Job: "{path.id}-${T}", X-Api-Key: "of-text", X-Token: {file: )" +
                                (dir_ / "token").string() + R"(}}
      set_query: {job: "{request.id}"}
      set_json: {meta.rid: "{request.id}", meta.n: "{request.query.n|raw|0}"}
    on_disconnect:
      cleanup:
        - {to: same_server, url: "/stop/{path.id}?t=${T}", method: DELETE, ok_status: 404, delay: 1s}
        - {url: "https://h/{response.json.id}", expire_after: never, signing_secret: )" +
                                secret + R"(}
        - {to: every_server, url: /stop, signing_secret: ["${S}", )" +
                                secret + "]}\n");
  const Finished said =
      ::hangup::test::run({"env", "T=of-environment", "S=whsec_" + std::string(31, 'A') + "B", binary(),
                           "explain", "-c", path, "POST", "http://test.example/jobs/7?n=2"});
  EXPECT_EQ(said.exit.status, 0) << said.err;
  for (const std::string line :
       {"  header X-Job: 7-${T}", "  header X-Api-Key: (not shown)", "  header X-Token: (not shown)",
        "  query job=<request.id>", "  JSON meta.rid: \"<request.id>\"", "  JSON meta.n: 2",
        "cleanup route-1 (1 of 3), called for client_gone, deadline, shutdown, crashed",
        "  DELETE /stop/7?t=${T}, to the server that had the request (same_server)", "  done with 2xx, 404",
        "  after 1s, up to 8 attempts of 5s each, none later than 1m after the end",
        "cleanup route-1#2 (2 of 3), called for client_gone, deadline, shutdown, crashed",
        "  POST https://h/<response.json.id>", "  signed with a secret",
        "  at once, up to 8 attempts of 5s each, whenever they succeed: it never expires",
        "  POST /stop, to each server of the upstream (every_server)", "  signed with 2 secrets",
        "  not signed"}) {
    EXPECT_TRUE(mentions(said.out, '\n' + line + '\n')) << line << "\nin\n" << said.out;
  }
  for (const char* hidden : {"of-file", "of-text", "of-environment", "AAAA"}) {
    EXPECT_FALSE(mentions(said.out + said.err, hidden)) << hidden << "\nin\n" << said.out;
  }
}

TEST_F(CommandLine, ExplainSaysWhenARequestGoesOnToAnotherServer) {
  const auto explained = [&](const std::string& servers, const std::string& retries,
                             const std::string& method) {
    const std::string path = file(configuration({.servers = servers, .upstream = retries}));
    return command({"explain", "-c", path, method, "/work"}).out;
  };
  const std::string one = R"("http://127.0.0.1:9")";
  const std::string three = one + R"(, "http://127.0.0.1:10", "http://127.0.0.1:11")";

  const std::string usual = explained(three, "", "GET");
  EXPECT_TRUE(mentions(usual,
                       "\n\nwhen a server fails, the request goes on to up to 2 others, each once\n"
                       "  connect: it can't be connected to\n"
                       "  reset_before_head: it closed the connection before a byte of its answer\n"
                       "  but not once some of the request's body was forwarded\n"
                       "  budget: 20% of the upstream's requests, and 10 a second beside; "
                       "connects don't count\n\n"))
      << usual;
  const std::string statuses =
      explained(three, "retries: {attempts: 1, on: [502, 504], budget: 5%, min_per_second: 3}", "POST");
  EXPECT_TRUE(mentions(statuses,
                       "\n\nwhen a server fails, the request goes on to another, once\n"
                       "  502, 504: it answered with that\n"
                       "  but not once a byte of it was sent, since POST is not idempotent\n"
                       "  budget: 5% of the upstream's requests, and 3 a second beside; "
                       "connects don't count\n\n"))
      << statuses;
  const std::string connect = explained(three, "retries: {attempts: 9, on: connect}", "POST");
  EXPECT_TRUE(
      mentions(connect, "goes on to up to 2 others, each once\n  connect: it can't be connected to\n\n"))
      << connect;
  const std::string off = explained(three, "retries: {attempts: 0}", "GET");
  EXPECT_TRUE(
      mentions(off, "\nwhen a server fails, the request goes on to no other (retries.attempts is 0)\n\n"))
      << off;
  for (const std::string& servers : {one, one + R"(, {url: "http://127.0.0.1:10", weight: 0})"}) {
    const std::string alone = explained(servers, "", "GET");
    EXPECT_TRUE(mentions(alone, "\nwhen the server fails, there is no other to go on to\n\n")) << alone;
  }
}

TEST_F(CommandLine, RunRefusesABadFile) {
  const Finished ran = command({"run", "-c", file("listeners: []\n")});
  EXPECT_EQ(ran.exit.status, 1);
  EXPECT_TRUE(std::regex_search(ran.err, std::regex(":[0-9]+:[0-9]+: "))) << ran.err;
}

TEST_F(CommandLine, RunNamesAFileThatIsNotThere) {
  const Finished ran = command({"run", "-c", "/nonexistent/hangup.yaml"});
  EXPECT_EQ(ran.exit.status, 1);
  EXPECT_TRUE(mentions(ran.err, "/nonexistent/hangup.yaml")) << ran.err;
}

TEST_F(CommandLine, RunNamesAnAddressThatIsTaken) {
  Yaml yaml;
  yaml.address = upstream.authority();
  const Finished ran = command({"run", "-c", file(configuration(yaml) + "access_log: off\n")});
  EXPECT_EQ(ran.exit.status, 3) << ran.err;
  EXPECT_TRUE(mentions(ran.err, upstream.authority())) << ran.err;
}

TEST_F(CommandLine, RunNamesALogThatCanNotBeWritten) {
  const std::string text = configuration() + "access_log: {path: /nonexistent/access.log}\n";
  const Finished ran = command({"run", "-c", file(text)});
  EXPECT_EQ(ran.exit.status, 3) << ran.err;
  EXPECT_TRUE(mentions(ran.err, "/nonexistent/access.log")) << ran.err;
}

TEST_F(CommandLine, EverySubcommandHasHelp) {
  EXPECT_EQ(command({"--help"}).exit.status, 0);
  for (const char* name : {"run", "check", "explain", "demo", "version"}) {
    const Finished helped = command({name, "--help"});
    EXPECT_EQ(helped.exit.status, 0) << name;
    EXPECT_FALSE(helped.out.empty()) << name;
  }
}

TEST_F(CommandLine, IsWrongWithoutAKnownSubcommand) {
  const Finished nothing = command({});
  EXPECT_EQ(nothing.exit.status, 2);
  EXPECT_TRUE(mentions(nothing.err, "A subcommand is required")) << nothing.err;
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"rnu"}, {"outbox", "rnu"}, {"cleanup", "rnu"}, {"token", "rnu"}}) {
    const Finished unknown = command(arguments);
    EXPECT_EQ(unknown.exit.status, 2);
    EXPECT_TRUE(mentions(unknown.err, "was not expected: rnu")) << unknown.err;
  }
  EXPECT_EQ(command({"run"}).exit.status, 2);
}

}  // namespace
}  // namespace hangup::test
