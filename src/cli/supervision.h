// What `run` tells systemd of itself, once per round of its loop: ready, its status, and signs of life.
//
//   READY=1      once, as soon as /health/ready says so
//   STATUS=…     whenever it has changed
//   WATCHDOG=1   at half the watchdog's time, while /health/live says so: a stuck worker ends them, and so does a main
//                thread that does not come round
//   STOPPING=1   at the end
//
// A message that is not taken is sent again in the next round. Belongs to the main thread, but for what a reload says.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/log_sink.h"
#include "cli/monitor.h"
#include "operations/sd_notify.h"

namespace kferry::cli {

class Supervision {
 public:
  // Both outlive it.
  Supervision(const Monitor& monitor, LogSink& log)
      : monitor_(monitor), log_(log), notify_(operations::SdNotify::environment()) {}

  // After Monitor::observe(). `progress`: what kferry is about to end with, in place of its health; may be empty.
  void tell(const std::string& progress);
  // How long the loop may wait until the next round.
  Duration pause() const;
  // Around a reload, from any thread: systemd waits for the second call (ExecReload=, Type=notify-reload).
  void reloading();
  void reloaded();
  // kferry ends.
  void stopping();
  // Another process has taken over, and is the unit's main one from now on.
  // This one says nothing more.
  void hand_over_to(pid_t process);

 private:
  bool check(int error);

  const Monitor& monitor_;
  LogSink& log_;
  operations::SdNotify notify_;
  bool handed_over_ = false;
  std::atomic<bool> ready_told_ = false;
  std::string status_told_;
  std::optional<Instant> alive_at_;  // the last sign of life
};

}  // namespace kferry::cli
