#include "cli/lifetime.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "base/counted.h"

namespace kferry::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// While nothing is to be done soon.
constexpr Duration idle_patience = seconds(1);
// While the drain may be over at any moment.
constexpr Duration drain_patience = milliseconds(10);
constexpr Duration report_interval = seconds(5);
// The workers reset what is left at the deadline; a worker that is stuck is not waited for.
constexpr Duration deadline_slack = seconds(3);

std::string_view name_of(int number) {
  return number == SIGINT ? "SIGINT" : "SIGTERM";
}

std::string seconds_text(Duration time) {
  return std::to_string(std::chrono::ceil<seconds>(std::max(time, Duration::zero())).count()) + " s";
}

}  // namespace

void Lifetime::ask_to_drain() {
  ::kill(::getpid(), SIGTERM);
}

void Lifetime::on_signal(int number, Instant now) {
  const std::string name(name_of(number));
  switch (phase_) {
    case Phase::serving:
      monitor_.drain();
      if (const Duration lame_duck = seconds(server_.limits().lame_duck_s);
          number == SIGTERM && lame_duck > Duration::zero()) {
        phase_ = Phase::lame_duck;
        until_ = now + lame_duck;
        return log_.write({Severity::info, "lame_duck", "",
                           name + ": /health/ready says 503 from now on; clients are served for " +
                               seconds_text(lame_duck) + " more, then their connections end in order"});
      }
      return begin_to_drain(name, now);
    case Phase::lame_duck:
    case Phase::draining:
      phase_ = Phase::over;
      return log_.write({Severity::info, "stopping", "", name + " while draining: ending every connection"});
    case Phase::over:
      return;
  }
}

void Lifetime::begin_to_drain(std::string_view why, Instant now) {
  const Duration time = seconds(server_.limits().drain_deadline_s);
  phase_ = Phase::draining;
  began_ = now;
  until_ = now + time;
  report_ = now + report_interval;
  log_.write({Severity::info, "draining", "",
              std::string(why) + ": the listeners close; " +
                  counted(server_.status().drain.left, "connection") + " may end in order within " +
                  seconds_text(time)});
  server_.drain(time);
}

void Lifetime::tick(Instant now) {
  if (phase_ == Phase::lame_duck && now >= until_) begin_to_drain("the lame duck is over", now);
  if (phase_ == Phase::draining) follow_drain(now);
}

void Lifetime::follow_drain(Instant now) {
  const proxy::DrainStatus drain = server_.status().drain;
  if (drain.done() || now >= until_ + deadline_slack) {
    phase_ = Phase::over;
    const std::uint64_t cut = drain.cut + drain.left;
    const std::string ended = counted(drain.ended, "connection") + " ended in order";
    if (cut == 0)
      return log_.write({Severity::info, "drained", "", ended + " within " + seconds_text(now - began_)});
    return log_.write({Severity::warning, "drain_cut_short", "",
                       "drain_deadline_s has passed: " + ended + ", " + std::to_string(cut) +
                           (cut == 1 ? " was" : " were") +
                           " reset; raise drain_deadline_s in [limits] if clients wait longer for answers"});
  }
  if (now < report_) return;
  report_ = now + report_interval;
  log_.write({Severity::info, "drain_progress", "",
              progress() + ", " + std::to_string(drain.ended) + " ended; what is left in " +
                  seconds_text(until_ - now) + " is reset"});
}

Duration Lifetime::patience() const {
  switch (phase_) {
    case Phase::serving:
      return idle_patience;
    case Phase::lame_duck:
      return std::min(idle_patience, until_ - monotonic_now());
    case Phase::draining:
      return drain_patience;
    case Phase::over:
      break;
  }
  return Duration::zero();
}

std::string Lifetime::progress() const {
  switch (phase_) {
    case Phase::serving:
      return "";
    case Phase::lame_duck:
      return "lame duck: clients are still served";
    case Phase::draining: {
      const proxy::DrainStatus drain = server_.status().drain;
      return "draining: " + counted(drain.left, "connection") + " left";
    }
    case Phase::over:
      break;
  }
  return "stopping";
}

}  // namespace kferry::cli
