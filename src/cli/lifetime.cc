#include "cli/lifetime.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "base/counted.h"
#include "base/host_lack.h"
#include "base/secret.h"
#include "cli/handed_state.h"

namespace kferry::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// While nothing is to be done soon.
constexpr Duration idle_patience = seconds(1);
// While a drain or an upgrade may be over at any moment.
constexpr Duration drain_patience = milliseconds(10);
constexpr Duration report_interval = seconds(5);
// Those who follow hear of a change, and that nothing has changed.
constexpr Duration follow_interval = seconds(1);
constexpr Duration follow_again_after = seconds(20);
// The workers reset what is left at the deadline; a worker that is stuck is not waited for.
constexpr Duration deadline_slack = seconds(3);

constexpr std::string_view kferry_ends = "kferry ends";

// A memfd with the text; -1 and errno.
int memfd_of(std::string_view text) {
  const int fd = memfd_create("kferry-state", MFD_CLOEXEC);
  while (fd >= 0 && !text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0) {
      close(fd);
      return -1;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return fd;
}

std::string_view name_of(int number) {
  return number == SIGINT ? "SIGINT" : "SIGTERM";
}

std::string seconds_text(Duration time) {
  return std::to_string(std::chrono::ceil<seconds>(std::max(time, Duration::zero())).count()) + " s";
}

}  // namespace

void Lifetime::ask_to_drain() {
  // A second SIGTERM would end kferry at once.
  if (!ending_.exchange(true)) ::kill(::getpid(), SIGTERM);
}

std::future<Lifetime::Outcome> Lifetime::ask_to_upgrade(Duration timeout) {
  std::future<Outcome> outcome;
  {
    const std::scoped_lock lock(mutex_);
    upgrade_timeout_ = timeout;
    std::promise<Outcome> asker;
    outcome = asker.get_future();
    if (!refusing_.empty()) {
      asker.set_value(std::unexpected(refusing_));
      return outcome;
    }
    askers_.push_back(std::move(asker));
  }
  ::kill(::getpid(), SIGUSR2);
  return outcome;
}

void Lifetime::refuse_upgrades() {
  {
    const std::scoped_lock lock(mutex_);
    refusing_ = not_serving();
  }
  end_upgrade(std::unexpected(not_serving()));
}

std::string Lifetime::not_serving() const {
  return succeeded_by_ != 0 ? "process " + std::to_string(succeeded_by_) + " serves in place of this one"
                            : std::string(kferry_ends);
}

Lifetime::~Lifetime() {
  refuse_upgrades();
}

void Lifetime::on_signal(int number, Instant now) {
  number == SIGUSR2 ? begin_upgrade(now) : on_end_signal(number, now);
}

void Lifetime::on_end_signal(int number, Instant now) {
  const std::string name(name_of(number));
  ending_ = true;
  switch (phase_) {
    case Phase::serving:
      if (successor_ != nullptr) {
        successor_.reset();
        end_upgrade(std::unexpected(name + " came before the new process was ready"));
      }
      monitor_.drain();
      // Without a balancer that asks, no client would be sent elsewhere meanwhile.
      if (const Duration lame_duck = seconds(server_.limits().lame_duck_s);
          number == SIGTERM && monitor_.watched() && lame_duck > Duration::zero()) {
        phase_ = Phase::lame_duck;
        until_ = now + lame_duck;
        return log_.write({Severity::info, "lame_duck", "",
                           name + ": /health/ready says 503 from now on; clients are served for " +
                               seconds_text(lame_duck) + " more, then their connections end in order"});
      }
      return begin_to_drain(name, proxy::DrainOrders::Ports::one_by_one, now);
    case Phase::lame_duck:
    case Phase::draining:
      if (succeeded_by_ != 0 && number == SIGTERM && !std::exchange(term_forgiven_, true)) return;
      log_.write({Severity::info, "stopping", "", name + " while draining: ending every connection"});
      return end(name + " ended the drain: what was left was reset", server_.status().drain.left == 0);
    case Phase::over:
      return;
  }
}

void Lifetime::begin_to_drain(std::string_view why, proxy::DrainOrders::Ports ports, Instant now) {
  const Duration time = seconds(server_.limits().drain_deadline_s);
  phase_ = Phase::draining;
  began_ = now;
  until_ = now + time;
  report_ = now + report_interval;
  log_.write({Severity::info, "draining", "",
              std::string(why) + ": no listener accepts any more; " +
                  counted(server_.status().drain.left, "connection") + " may end in order within " +
                  seconds_text(time)});
  server_.drain({time, ports});
}

void Lifetime::tick(Instant now) {
  if (successor_ != nullptr) follow_upgrade(now);
  if (phase_ == Phase::lame_duck && now >= until_)
    begin_to_drain("the lame duck is over", proxy::DrainOrders::Ports::one_by_one, now);
  if (phase_ == Phase::draining) follow_drain(now);
  if (ending_ && !over()) tell_followers(now);
}

void Lifetime::tell_followers(Instant now) {
  if (now < followed_at_ + follow_interval) return;
  std::string text = progress();
  if (text.empty() || (text == followed_ && now < followed_at_ + follow_again_after)) return;
  followed_at_ = now;
  followed_ = std::move(text);
  followers_({.text = followed_});
}

void Lifetime::end(std::string text, bool well) {
  phase_ = Phase::over;
  end_ = {.text = std::move(text), .over = true, .well = well};
}

void Lifetime::follow_drain(Instant now) {
  const proxy::DrainStatus drain = server_.status().drain;
  if (drain.done() || now >= until_ + deadline_slack) {
    const std::uint64_t cut = drain.cut + drain.left;
    const std::string ended = counted(drain.ended, "connection") + " ended in order";
    if (cut == 0) {
      const std::string text = ended + " within " + seconds_text(now - began_);
      log_.write({Severity::info, "drained", "", text});
      return end(text, true);
    }
    const std::string text = "drain_deadline_s has passed: " + ended + ", " + std::to_string(cut) +
                             (cut == 1 ? " was" : " were") +
                             " reset; raise drain_deadline_s in [limits] if clients wait longer for answers";
    log_.write({Severity::warning, "drain_cut_short", "", text});
    return end(text, false);
  }
  if (now < report_) return;
  report_ = now + report_interval;
  log_.write({Severity::info, "drain_progress", "",
              progress() + ", " + std::to_string(drain.ended) + " ended; what is left in " +
                  seconds_text(until_ - now) + " is reset"});
}

// --- the upgrade

void Lifetime::begin_upgrade(Instant now) {
  std::string why_not;
  if (successor_ != nullptr) {
    why_not = "another upgrade is under way";
  } else if (phase_ != Phase::serving) {
    why_not = not_serving();
  } else if (::getpid() == 1) {
    why_not =
        "a container ends with its first process: start a new container, and stop this one when it is ready";
  } else if (auto started = start_successor(now)) {
    successor_ = std::move(*started);
    return log_.write(
        {Severity::info, "upgrading", "", "SIGUSR2: starting a new process on the same sockets"});
  } else {
    why_not = std::move(started.error());
  }
  log_.write({Severity::error, "upgrade_failed", "", why_not + "; this process serves as before"});
  // Those who ask while another upgrade is under way wait for that one.
  if (successor_ == nullptr) end_upgrade(std::unexpected(why_not));
}

std::expected<std::unique_ptr<Successor>, std::string> Lifetime::start_successor(Instant now) {
  const auto sockets = server_.listening_sockets();
  if (!sockets) return std::unexpected("cannot copy the listening sockets: " + lack_text(sockets.error()));
  Duration timeout{};
  {
    const std::scoped_lock lock(mutex_);
    timeout = std::exchange(upgrade_timeout_, Successor::upgrade_timeout);
  }
  std::string state = state_text({server_.memories(), upgrading_.tickets()});
  const int memory = memfd_of(state);
  const int error = errno;
  wipe(state);
  std::vector<Successor::Handed> handed = upgrading_.sockets();
  for (const int fd : *sockets) handed.push_back({fd, "port"});
  handed.push_back({memory, std::string(handed_state)});
  auto started = memory < 0 ? std::unexpected("cannot make a memfd: " + lack_text(error))
                            : Successor::start(std::move(handed), now, timeout);
  for (const int fd : *sockets) ::close(fd);
  if (memory >= 0) ::close(memory);
  return started;
}

void Lifetime::follow_upgrade(Instant now) {
  switch (successor_->look(now)) {
    case Successor::Stage::starting:
      return;
    case Successor::Stage::failed: {
      const std::string why = "the new process failed: " + successor_->failure();
      successor_.reset();
      log_.write({Severity::error, "upgrade_failed", "", why + "; this process serves as before"});
      return end_upgrade(std::unexpected(why));
    }
    case Successor::Stage::ready:
      succeeded_by_ = successor_->pid();
      successor_.reset();
      log_.write(
          {Severity::info, "upgraded", "", "process " + std::to_string(succeeded_by_) + " serves now"});
      // Who has connected to this process so far hears that kferry serves.
      monitor_.freeze();
      // Before the control socket goes: an asker's answer is under way, and another one must not wait for this thread.
      end_upgrade(succeeded_by_);
      refuse_upgrades();
      upgrading_.succeeded(succeeded_by_);
      return begin_to_drain("the new process accepts", proxy::DrainOrders::Ports::at_once, now);
  }
}

void Lifetime::end_upgrade(Outcome outcome) {
  std::vector<std::promise<Outcome>> askers;
  {
    const std::scoped_lock lock(mutex_);
    askers = std::exchange(askers_, {});
  }
  for (std::promise<Outcome>& asker : askers) asker.set_value(outcome);
}

Duration Lifetime::patience() const {
  switch (phase_) {
    case Phase::serving:
      return successor_ == nullptr ? idle_patience : drain_patience;
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
      return successor_ == nullptr ? "" : "upgrading: the new process starts";
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
