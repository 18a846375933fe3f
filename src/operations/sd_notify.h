// What systemd is told of this process: its state, by one datagram each (sd_notify(3)), without libsystemd.
//
//   READY=1 once ─▶ STATUS=… whenever it changes, WATCHDOG=1 in time ─▶ STOPPING=1
//                      RELOADING=1 … READY=1 around a reload; MAINPID=… where another process takes over
//
// One thread. Never waits: a message that systemd has no room for is lost, and each call says whether it was taken, so
// that the caller can repeat it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"

namespace kferry::operations {

class SdNotify {
 public:
  struct Options {
    // A path, or '@' and a name in the abstract namespace (NOTIFY_SOCKET); empty: nothing listens, and every call does
    // nothing and succeeds.
    std::string socket;
    // systemd ends the process if no alive() comes for so long (WatchdogSec=); nullopt: it does not.
    std::optional<Duration> watchdog;
  };
  // From NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. A watchdog that is another process's is left alone.
  static Options environment();

  explicit SdNotify(Options options) : options_(std::move(options)) {}

  // Each returns 0 or an errno.
  int ready(std::string_view status);
  int status(std::string_view status);
  int reloading();  // with MONOTONIC_USEC, as Type=notify-reload asks for; ready() follows
  int stopping(std::string_view status);
  int main_process(pid_t process);
  int alive();

  // How often alive() is to be called at least: twice in the watchdog's time.
  std::optional<Duration> alive_interval() const;

 private:
  int send(const std::string& state) const;

  const Options options_;
};

}  // namespace kferry::operations
