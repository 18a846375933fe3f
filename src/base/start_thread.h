// Starts a thread whose signals are blocked, because signals are for the main thread, and turns what the host refuses
// into an error.
#pragma once

#include <csignal>
#include <cstring>
#include <expected>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace kferry {

// The error names the reason and the remedy.
template <class Run>
std::expected<std::thread, std::string> start_thread(Run run) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::expected<std::thread, std::string> started;
  try {
    *started = std::thread(std::move(run));
  } catch (const std::system_error& refused) {
    started =
        std::unexpected(std::string("cannot start a thread: ") + std::strerror(refused.code().value()) +
                        ": raise the limit of threads (TasksMax= in the unit, ulimit -u, the container's "
                        "limit of pids) or of memory");
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

}  // namespace kferry
