// hangup outbox: deliveries as tables for people, or as JSON for programs.
#include "app/commands/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <hangup/admin/delivery_json.h>
#include <hangup/app/commands.h>
#include <hangup/base/text.h>
#include <hangup/cleanup/outbox_file.h>
#include <hangup/http/secret_header.h>

namespace hangup::app::commands {
namespace {

using cleanup::DeliveryState;
using cleanup::OutboxFile;
using Json = nlohmann::ordered_json;

// Bytes that are not UTF-8 are replaced: what is shown is valid JSON whatever was stored.
std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

// "3s", "5m", "2h", "4d": as much as a table has room for.
std::string age_text(Duration age) {
  const auto seconds = std::max<std::int64_t>(std::chrono::floor<std::chrono::seconds>(age).count(), 0);
  if (seconds < 120) return fmt::format("{}s", seconds);
  if (seconds < 2 * 3600) return fmt::format("{}m", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{}h", seconds / 3600);
  return fmt::format("{}d", seconds / 86400);
}

// What the last attempt came to, in a word or two.
std::string last_text(const OutboxFile::Entry& entry) {
  if (!entry.dead_reason.empty()) return entry.dead_reason;
  if (entry.last_status.value_or(0) != 0) return fmt::format("status {}", *entry.last_status);
  return entry.last_error.empty() ? "-" : entry.last_error;
}

// Columns as wide as what is in them, with two blanks between; the last one is not padded.
void print_table(std::ostream& out, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) out << fmt::format("{:<{}}  ", row[i], widths[i]);
    out << row.back() << '\n';
  }
}

// The cleanup that it is a delivery of; null if it is no longer configured.
const config::Cleanup* cleanup_of(const cleanup::Delivery& delivery, const config::Config& config) {
  const auto found = std::ranges::find(config.cleanups, delivery.cleanup, &config::Cleanup::name);
  return found == config.cleanups.end() ? nullptr : found->get();
}

// By its name, or since its value comes from a file or the environment. Of a cleanup that is gone nobody
// knows.
bool is_secret(std::string_view header, const config::Cleanup* cleanup) {
  if (http::names_a_secret(header)) return true;
  if (header.starts_with("webhook-") || equals_ignoring_case(header, "content-type")) return false;
  if (cleanup == nullptr) return true;
  return std::ranges::any_of(cleanup->headers, [&](const auto& own) {
    return equals_ignoring_case(own.first, header) && &own.second.as_written() != &own.second;
  });
}

Json shown_to_json(const OutboxFile::Shown& shown, const config::Config& config) {
  Json json = admin::delivery_json(shown.entry);
  Json headers = Json::object();
  const config::Cleanup* cleanup = cleanup_of(shown.delivery, config);
  for (const auto& [name, value] : shown.delivery.headers)
    headers[name] = is_secret(name, cleanup) ? "(hidden)" : value;
  json["request"] = {{"method", shown.delivery.method},
                     {"url", shown.delivery.url},
                     {"socket", shown.delivery.socket.empty() ? Json(nullptr) : Json(shown.delivery.socket)},
                     {"headers", std::move(headers)},
                     {"signed", shown.delivery.is_signed},
                     {"body", shown.delivery.body}};
  return json;
}

// One verb of the command each. The streams and the file outlive it.
class Command {
 public:
  Command(const OutboxRequest& request, const config::Config& config, OutboxFile& file, std::ostream& out,
          std::ostream& err)
      : request_(request), config_(config), file_(file), out_(out), err_(err) {}

  int carry_out() {
    switch (request_.verb) {
      case OutboxRequest::Verb::list:
        return list();
      case OutboxRequest::Verb::show:
        return show();
      case OutboxRequest::Verb::retry:
        return changed(request_.all_dead ? file_.retry_all_dead(now_) : file_.retry(request_.ids, now_),
                       "will be tried again");
      case OutboxRequest::Verb::drop:
        return changed(file_.drop(request_.ids), "dropped");
      case OutboxRequest::Verb::stats:
        return stats();
    }
    return exit_failed;
  }

 private:
  int fail(const Error& error) {
    err_ << "hangup: " << error.message << '\n';
    return exit_failed;
  }

  int list() {
    OutboxFile::Filter filter{.state = {}, .cleanup = request_.cleanup, .limit = request_.limit};
    const auto& names = cleanup::delivery_state_names;
    if (const auto name = std::ranges::find(names, request_.state); name != names.end()) {
      filter.state = static_cast<DeliveryState>(name - names.begin());
    }
    const auto entries = file_.list(filter);
    if (!entries) return fail(entries.error());
    if (request_.json) {
      Json all = Json::array();
      for (const auto& entry : *entries) all.push_back(admin::delivery_json(entry));
      out_ << dump(all) << '\n';
      return exit_ok;
    }
    if (entries->empty()) return static_cast<void>(out_ << "no deliveries\n"), exit_ok;
    std::vector<std::vector<std::string>> rows = {
        {"WEBHOOK-ID", "STATE", "CLEANUP", "RECEIVER", "ATTEMPTS", "AGE", "LAST"}};
    for (const auto& entry : *entries) {
      rows.push_back({entry.id, std::string(to_string(entry.state)), entry.cleanup, entry.receiver,
                      std::to_string(entry.attempts), age_text(now_ - entry.created), last_text(entry)});
    }
    print_table(out_, rows);
    return exit_ok;
  }

  int show() {
    const auto shown = file_.show(request_.ids.front());
    if (!shown) return fail(shown.error());
    if (!*shown) return fail({"outbox: there is no delivery " + request_.ids.front()});
    const Json json = shown_to_json(**shown, config_);
    if (request_.json) return static_cast<void>(out_ << dump(json) << '\n'), exit_ok;
    for (const auto& [key, value] : json.items()) {
      if (key == "request" || value.is_null()) continue;
      out_ << fmt::format("{:<13} {}\n", key, value.is_string() ? value.get<std::string>() : value.dump());
    }
    const Json& request = json.at("request");
    out_ << '\n'
         << request.at("method").get<std::string>() << ' ' << request.at("url").get<std::string>() << '\n';
    if (!request.at("socket").is_null()) out_ << "over " << request.at("socket").get<std::string>() << '\n';
    for (const auto& [name, value] : request.at("headers").items()) {
      out_ << name << ": " << value.get<std::string>() << '\n';
    }
    out_ << '\n' << request.at("body").get<std::string>() << '\n';
    return exit_ok;
  }

  int changed(const Result<std::size_t>& count, std::string_view what) {
    if (!count) return fail(count.error());
    if (request_.json) {
      out_ << dump(Json{{"changed", *count}}) << '\n';
    } else {
      out_ << fmt::format("{} {} {}\n", *count, *count == 1 ? "delivery" : "deliveries", what);
    }
    if (*count >= request_.ids.size()) return exit_ok;
    err_ << fmt::format("hangup: {} of the {} ids given: no such delivery, or not in a state for this\n",
                        request_.ids.size() - *count, request_.ids.size());
    return exit_failed;
  }

  int stats() {
    const auto stats = file_.stats(now_);
    if (!stats) return fail(stats.error());
    const auto count_of = [](const std::map<DeliveryState, std::uint64_t>& counts, DeliveryState state) {
      const auto found = counts.find(state);
      return found == counts.end() ? 0 : found->second;
    };
    if (request_.json) return static_cast<void>(out_ << dump(admin::stats_json(*stats)) << '\n'), exit_ok;
    std::array<std::uint64_t, cleanup::delivery_state_names.size()> total{};
    std::vector<std::vector<std::string>> rows = {{"CLEANUP", "PENDING", "IN FLIGHT", "DELIVERED", "DEAD"}};
    for (const auto& [name, counts] : stats->counts) {
      std::vector<std::string>& row = rows.emplace_back(1, name);
      for (std::size_t i = 0; i < total.size(); ++i) {
        const std::uint64_t n = count_of(counts, static_cast<DeliveryState>(i));
        total[i] += n;
        row.push_back(std::to_string(n));
      }
    }
    std::vector<std::string>& sum = rows.emplace_back(1, "all");
    for (const std::uint64_t n : total) sum.push_back(std::to_string(n));
    print_table(out_, rows);
    if (stats->oldest_pending) out_ << "oldest pending: " << age_text(*stats->oldest_pending) << '\n';
    return exit_ok;
  }

  const OutboxRequest& request_;
  const config::Config& config_;
  OutboxFile& file_;
  std::ostream& out_;
  std::ostream& err_;
  const WallTime now_ = SystemClock().wall();
};

}  // namespace

int outbox(const OutboxRequest& request, std::ostream& out, std::ostream& err) {
  const auto config = load_or_report(request.config_file, err);
  if (!config) return exit_bad_configuration;
  if (config->outbox.store != config::Outbox::Store::sqlite) {
    err << "hangup: this configuration keeps its outbox in memory (`outbox: {store: memory}`): there is no "
           "file to "
           "look at\n";
    return exit_failed;
  }
  auto file = OutboxFile::open(config->outbox.path);
  if (!file) {
    err << "hangup: " << file.error().message << '\n';
    return exit_failed;
  }
  return Command(request, *config, *file, out, err).carry_out();
}

}  // namespace hangup::app::commands
