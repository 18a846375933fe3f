#include "operations/health.h"

#include <algorithm>
#include <utility>

#include "operations/json.h"
#include "operations/utc.h"

namespace kferry::operations {
namespace {

std::string reason_text(const HealthCause& cause, Health::WallTime since) {
  std::string out = "{\"code\":" + json_string(to_string(cause.code));
  if (!cause.cluster.empty()) out += ",\"cluster\":" + json_string(cause.cluster);
  if (!cause.listener.empty()) out += ",\"listener\":" + json_string(cause.listener);
  return out + ",\"since\":" + json_string(utc_text(std::chrono::system_clock::to_time_t(since)) + "Z") + "}";
}

}  // namespace

std::string_view to_string(HealthCode code) {
  switch (code) {
    case HealthCode::upstream_unreachable:
      return "upstream_unreachable";
    case HealthCode::port_clash:
      return "port_clash";
    case HealthCode::certificate_expiring:
      return "certificate_expiring";
    case HealthCode::certificate_unusable:
      return "certificate_unusable";
    case HealthCode::certificate_not_reloaded:
      return "certificate_not_reloaded";
    case HealthCode::worker_stuck:
      return "worker_stuck";
    case HealthCode::reload_failed:
      return "reload_failed";
  }
  return "unknown";
}

std::optional<HealthPath> health_path(std::string_view path) {
  if (path == "/health/live") return HealthPath::live;
  if (path == "/health/serving") return HealthPath::serving;
  if (path == "/health/ready" || path == "/health") return HealthPath::ready;
  return std::nullopt;
}

bool Health::observe(const HealthObservation& seen, Instant now, WallTime wall) {
  const std::lock_guard lock(mutex_);
  seen_ = seen;
  questions_.resize(seen.worker_turns.size());
  for (std::size_t i = 0; i < questions_.size(); ++i)
    if (questions_[i] && questions_[i]->turns != seen.worker_turns[i]) questions_[i].reset();

  std::vector<HealthCause> causes = seen.causes;
  const bool any_stuck = std::ranges::any_of(questions_, [&](const auto& one) { return stuck(one, now); });
  if (any_stuck) causes.push_back({HealthCode::worker_stuck});
  std::map<HealthCause, WallTime> since;
  for (HealthCause& cause : causes) {
    const auto known = since_.find(cause);
    since.emplace(std::move(cause), known == since_.end() ? wall : known->second);
  }
  since_ = std::move(since);

  if (questions_.empty() || (asked_at_ && now - *asked_at_ < question_interval)) return false;
  asked_at_ = now;
  for (std::size_t i = 0; i < questions_.size(); ++i)
    if (!questions_[i]) questions_[i] = Question{seen.worker_turns[i], now};
  return true;
}

std::set<HealthCode> Health::codes() const {
  const std::lock_guard lock(mutex_);
  std::set<HealthCode> codes;
  for (const auto& [cause, since] : since_) codes.insert(cause.code);
  return codes;
}

bool Health::starting(Instant now) const {
  return !seen_.listening || (!seen_.upstream_answered && now - started_ < upstream_patience);
}

std::string_view Health::status(Instant now) const {
  if (seen_.draining) return "draining";
  if (starting(now)) return "starting";
  return since_.empty() ? "ready" : "degraded";
}

std::string Health::summary(Instant now) const {
  const std::lock_guard lock(mutex_);
  std::string out(status(now));
  bool first = true;
  for (const auto& [cause, since] : since_) {
    out.append(std::exchange(first, false) ? ": " : ", ").append(to_string(cause.code));
    if (cause.cluster.empty()) continue;
    out.append(" (").append(cause.cluster);
    if (!cause.listener.empty()) out.append("/").append(cause.listener);
    out += ')';
  }
  return out;
}

HealthAnswer Health::answer(HealthPath path, Instant now) const {
  const std::lock_guard lock(mutex_);
  HealthAnswer answer;
  switch (path) {
    case HealthPath::live:
      answer.well = std::ranges::none_of(questions_, [&](const auto& one) { return stuck(one, now); });
      break;
    case HealthPath::serving:
      answer.well = seen_.listening;
      break;
    case HealthPath::ready:
      answer.well = !seen_.draining && !starting(now);
      break;
  }
  answer.body = "{\"status\":" + json_string(status(now)) + ",\"reasons\":[";
  bool first = true;
  for (const auto& [cause, since] : since_) {
    if (!std::exchange(first, false)) answer.body += ',';
    answer.body += reason_text(cause, since);
  }
  answer.body += "]}\n";
  return answer;
}

}  // namespace kferry::operations
