#include "cli/reloader.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <future>
#include <iterator>
#include <span>
#include <string_view>
#include <utility>

#include "base/counted.h"
#include "base/stable_sort.h"
#include "proxy/plan.h"
#include "tls/digests.h"
#include "tls/known_answers.h"

namespace kferry::cli {
namespace {

using certificates::TlsContexts;
using certificates::TlsWatch;
using config::Problem;

// A worker moves at the top of its next turn. Longer than a stuck worker takes to be noticed (operations/health.h), so
// that health says which part of kferry is to blame.
constexpr Duration move_timeout = std::chrono::seconds(6);
// A move that has just begun is bound or refused by then.
constexpr Duration settle_time = std::chrono::seconds(1);
constexpr std::string_view stuck_worker =
    "a worker does not turn, so that no other configuration can be taken: see worker_stuck in /health/ready, "
    "and restart kferry";
constexpr std::string_view not_everywhere =
    "a worker does not turn, and serves its connections by the former configuration until it does: see "
    "worker_stuck in /health/ready, and restart kferry";

// What one line of the log tells; of more it gives the number.
constexpr std::size_t told_max = 8;
// Of the digest, in hexadecimal digits: enough to tell configurations apart.
constexpr std::size_t hash_digits = 16;

std::string hash_of(const std::vector<config::WrittenSetting>& settings) {
  const std::string text = config::comparable_text(settings);
  const tls::Digest digest = tls::digest(tls::Hash::sha256, std::as_bytes(std::span(text)));
  std::string hash;
  for (const std::byte byte : digest.bytes().first(hash_digits / 2)) {
    static constexpr std::string_view digits = "0123456789abcdef";
    hash += digits[std::to_integer<std::size_t>(byte >> 4)];
    hash += digits[std::to_integer<std::size_t>(byte & std::byte{0xF})];
  }
  return hash;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (std::size_t i = 0; i < std::min(texts.size(), told_max); ++i) out += (i == 0 ? "" : "; ") + texts[i];
  if (texts.size() > told_max) out += "; and " + std::to_string(texts.size() - told_max) + " more";
  return out;
}

// The file that the start has read must still be there: another default must not take its place.
std::optional<std::string> path_of(const Reloader::Started& started) {
  if (started.path) return started.path;
  return started.loaded.file;
}

}  // namespace

// What was read, on its way into force.
struct Reloader::Candidate {
  config::Loaded loaded;
  std::shared_ptr<TlsContexts> contexts;
};

Reloader::Reloader(Started started, proxy::Server& server, LogSink& log)
    : path_(path_of(started)),
      at_start_(started.loaded.settings),
      server_(server),
      log_(log),
      in_force_(std::move(started.loaded)),
      contexts_(std::move(started.contexts)) {
  status_.hash = hash_of(at_start_);
  status_.succeeded_at_s = TlsContexts::system_time();
}

std::expected<void, std::string> Reloader::watch_certificates() {
  watch_.reset();
  if (!contexts_->any()) return {};
  auto started =
      TlsWatch::start(*contexts_, log_, std::chrono::minutes(in_force_.config.tls.update_interval_minutes));
  if (!started) return std::unexpected(std::move(started.error()));
  watch_ = std::move(*started);
  return {};
}

ReloadReport Reloader::compare(Candidate& candidate) const {
  ReloadReport report;
  const auto refuse = [&](std::vector<Problem> problems) {
    report.problems.insert(report.problems.end(), problems.begin(), problems.end());
    report.refused = true;
  };
  const auto sources = config::system_sources(path_);
  if (!sources) {
    refuse({sources.error()});
    return report;
  }
  candidate.loaded = config::load(*sources);
  if (!candidate.loaded.ok()) {
    refuse(candidate.loaded.problems);
    return report;
  }
  candidate.contexts =
      std::make_shared<TlsContexts>(std::make_shared<const config::Config>(candidate.loaded.config), log_,
                                    monotonic_now(), TlsContexts::system_time, contexts_.get());
  std::vector<Problem> found = candidate.contexts->load();
  sort_stably(found, [](const Problem& one) { return one.warning; });
  report.refused = !found.empty() && !found.front().warning;
  report.problems = std::move(found);
  std::ranges::copy(candidate.loaded.warnings, std::back_inserter(report.problems));
  if (const auto wrong =
          candidate.contexts->any() && !contexts_->any() ? tls::check_known_answers() : std::nullopt)
    refuse({{"tls", *wrong, {}, false}});
  for (config::Difference& one : config::differences(in_force_.settings, candidate.loaded.settings))
    if (!one.needs_upgrade) report.changes.push_back(std::move(one.text));
  for (config::Difference& one : config::differences(at_start_, candidate.loaded.settings))
    if (one.needs_upgrade) report.need_upgrade.push_back(std::move(one.text));
  return report;
}

std::expected<std::optional<Problem>, Problem> Reloader::apply(Candidate& candidate) {
  std::optional<Problem> unfinished;
  auto proposed = server_.propose(proxy::Plan::make(candidate.loaded.config),
                                  candidate.contexts->any() ? candidate.contexts : nullptr);
  const auto in_time = [&](Duration time) { return proposed.wait_for(time) == std::future_status::ready; };
  if (in_time(move_timeout) || server_.withdraw_proposal(std::string(stuck_worker)) || in_time(settle_time)) {
    if (auto outcome = proposed.get(); !outcome)
      return std::unexpected(Problem{"configuration", std::move(outcome.error()), {}, false});
  } else {
    log_.write({Severity::warning, "reload_unfinished", "", std::string(not_everywhere)});
    unfinished = Problem{"configuration", std::string(not_everywhere), {}, true};
  }
  // The watch uses the contexts: it ends before they go.
  watch_.reset();
  contexts_ = std::move(candidate.contexts);
  in_force_ = std::move(candidate.loaded);
  if (const auto watching = watch_certificates(); !watching)
    log_.write({Severity::warning, "tls_watch_failed", "",
                watching.error() + ": certificates are read again with the next reload alone"});
  return unfinished;
}

ReloadReport Reloader::reload(bool dry_run) {
  Candidate candidate;
  ReloadReport report = compare(candidate);
  if (dry_run) return report;
  if (!report.refused && report.changed()) {
    auto applied = apply(candidate);
    if (!applied) {
      report.refused = true;
      report.problems.insert(report.problems.begin(), std::move(applied.error()));
    }
    note(report);
    if (applied && *applied) report.problems.push_back(std::move(**applied));
    return report;
  }
  if (!report.refused) {
    in_force_.settings = std::move(candidate.loaded.settings);
    contexts_->reload();
  }
  note(report);
  return report;
}

void Reloader::note(const ReloadReport& report) {
  status_.failed = report.refused;
  if (report.refused) {
    ++status_.refused;
    std::vector<std::string> texts;
    for (const Problem& problem : report.problems)
      if (!problem.warning) texts.push_back(to_string(problem));
    log_.write({Severity::error, "reload_refused", "",
                "the configuration has " + counted(texts.size(), "error") +
                    ", and the one in force stays: " + joined(texts)});
    return;
  }
  ++(report.changed() ? status_.applied : status_.unchanged);
  status_.succeeded_at_s = TlsContexts::system_time();
  status_.hash = hash_of(in_force_.settings);
  for (const Problem& warning : report.problems)
    log_.write({Severity::warning, "configuration", warning.where, to_string(warning)});
  log_.write({Severity::info, "reloaded", "",
              report.changed()
                  ? "the configuration was read again, and " +
                        counted(report.changes.size(), "change is", "changes are") +
                        " in force: " + joined(report.changes)
                  : "the configuration was read again: nothing that a reload changes is different"});
  if (!report.need_upgrade.empty())
    log_.write({Severity::warning, "reload_needs_upgrade", "",
                "takes effect with the next upgrade or restart alone: " + joined(report.need_upgrade)});
}

}  // namespace kferry::cli
