// How fast the durable outbox commits: cleanups a second added by one thread as fast as it can, and the time
// from add() to the commit of single ones. Usage: bench_outbox [DIRECTORY] [CLEANUPS]
//
// Commits are seen as an operator sees them, by the file; the receiver refuses every connection.
#include "cleanup/sqlite_outbox.h"

#include <spdlog/sinks/null_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <hangup/cleanup/outbox_file.h>

namespace {

using namespace hangup;
using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

cleanup::Delivery make_delivery(const std::string& request_id) {
  cleanup::Delivery delivery;
  delivery.id = request_id + "-0";
  delivery.cleanup = "stop";
  delivery.request_id = request_id;
  delivery.method = "POST";
  delivery.url = "http://127.0.0.1:9/stop/" + request_id;
  delivery.headers = {{"Content-Type", "application/cloudevents+json"}, {"webhook-id", delivery.id}};
  delivery.body.assign(400, 'x');
  delivery.timeout = 5s;
  delivery.created = std::chrono::system_clock::now();
  delivery.delay = 1h;  // nothing is sent: this is about the store
  return delivery;
}

std::uint64_t committed(cleanup::OutboxFile& file) {
  const auto stats = file.stats({});
  std::uint64_t count = 0;
  if (stats) {
    for (const auto& [cleanup, states] : stats->counts) {
      for (const auto& [state, number] : states) count += number;
    }
  }
  return count;
}

}  // namespace

int main(int argc, char** argv) {
  const std::filesystem::path directory = std::filesystem::path(argc > 1 ? argv[1] : ".") / "bench-outbox";
  const int cleanups = argc > 2 ? std::atoi(argv[2]) : 60'000;
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  const auto log = std::make_shared<spdlog::logger>("bench", std::make_shared<spdlog::sinks::null_sink_mt>());
  const config::Config config;
  {
    auto opened = cleanup::SqliteOutbox::open({.path = directory / "outbox.db"}, config, nullptr, log);
    if (!opened) return std::fprintf(stderr, "%s\n", opened.error().message.c_str()), 1;
    auto& outbox = *opened->outbox;
    auto file = cleanup::OutboxFile::open(directory / "outbox.db");
    std::vector<double> single;
    for (int i = 0; i < 300; ++i) {
      const std::string id = "single" + std::to_string(i);
      const auto start = Steady::now();
      outbox.add({make_delivery(id)});
      while (!file->show(id + "-0").value()) std::this_thread::sleep_for(50us);
      single.push_back(std::chrono::duration<double, std::milli>(Steady::now() - start).count());
    }
    std::ranges::sort(single);
    std::printf("add() to committed: p50 %.2f ms, p99 %.2f ms\n", single[150], single[297]);

    std::vector<std::vector<cleanup::Delivery>> all;
    for (int i = 0; i < cleanups; ++i) all.push_back({make_delivery("many" + std::to_string(i))});
    const auto start = Steady::now();
    for (auto& exchange : all) outbox.add(std::move(exchange));
    const double added = std::chrono::duration<double>(Steady::now() - start).count();
    while (committed(*file) < single.size() + static_cast<std::size_t>(cleanups))
      std::this_thread::sleep_for(5ms);
    const double seconds = std::chrono::duration<double>(Steady::now() - start).count();
    std::printf("%d cleanups: add() %.1f us each on the calling thread; committed %.0f a second\n", cleanups,
                added / cleanups * 1e6, cleanups / seconds);
  }
  std::filesystem::remove_all(directory);
}
