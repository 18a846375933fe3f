#include "cli/supervision.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace kferry::cli {
namespace {

constexpr Duration round_interval = std::chrono::seconds(1);
// Until kferry is ready, because whatever starts it waits.
constexpr Duration starting_round_interval = std::chrono::milliseconds(100);

}  // namespace

bool Supervision::check(int error) {
  if (error != 0) {
    log_.write({Severity::warning, "notify_failed", "",
                "systemd cannot be told of kferry's state: " + std::string(std::strerror(error)) +
                    ": let kferry reach the socket that NOTIFY_SOCKET names, or use Type=exec"});
  }
  return error == 0;
}

void Supervision::tell(const std::string& progress) {
  if (handed_over_) return;
  Monitor::Summary summary = monitor_.summary();
  if (!progress.empty()) summary.text = progress;
  if (!ready_told_ && summary.ready) {
    ready_told_ = check(notify_.ready(summary.text));
    if (ready_told_) status_told_ = summary.text;
  } else if (summary.text != status_told_ && check(notify_.status(summary.text))) {
    status_told_ = summary.text;
  }
  const auto interval = notify_.alive_interval();
  if (!interval || !summary.live) return;
  const Instant now = monotonic_now();
  // A round comes late rather than early.
  const bool due = !alive_at_ || now - *alive_at_ >= *interval / 2;
  if (due && check(notify_.alive())) alive_at_ = now;
}

Duration Supervision::pause() const {
  const Duration longest = ready_told_ ? round_interval : starting_round_interval;
  const auto interval = notify_.alive_interval();
  return interval ? std::min(longest, std::max<Duration>(*interval / 2, std::chrono::milliseconds(10)))
                  : longest;
}

void Supervision::reloading() {
  if (ready_told_) check(notify_.reloading());
}

void Supervision::reloaded() {
  if (ready_told_) ready_told_ = check(notify_.ready(monitor_.summary().text));
}

void Supervision::hand_over_to(pid_t process) {
  check(notify_.main_process(process));
  handed_over_ = true;
}

void Supervision::stopping() {
  if (!handed_over_) check(notify_.stopping("stopping"));
}

}  // namespace kferry::cli
