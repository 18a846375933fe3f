// The process that is to take this one's place: started from the binary that is now where this one came from, with the
// listening sockets, the state (cli/handed_state.h), and a pipe by which it reports that it is ready.
//
//   start() ─▶ starting ─"ready" comes through the pipe─▶ ready
//                  └──────it ends, cannot be executed, or takes longer than its timeout─▶ failed: it is gone
//
// It is forked twice, so that it becomes the child of the service manager and not of the process that is to end. What
// it writes to stderr while it starts says why it fails.
//
// One thread, which must be the only one that forks.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"

namespace kferry::cli {

class Successor {
 public:
  // Unless who asks says otherwise.
  static constexpr Duration upgrade_timeout = std::chrono::seconds(30);

  // What it gets: descriptors with their names, which stay the caller's.
  struct Handed {
    int fd = -1;
    std::string name;
  };
  enum class Stage : std::uint8_t { starting, ready, failed };

  // `timeout`: within which it must be ready. The error says what is wrong and what to do.
  static std::expected<std::unique_ptr<Successor>, std::string> start(std::vector<Handed> handed, Instant now,
                                                                      Duration timeout);
  // Ends it, unless it is ready.
  ~Successor();
  Successor(const Successor&) = delete;
  Successor& operator=(const Successor&) = delete;

  // What has become of it. To be called often while it starts.
  Stage look(Instant now);
  pid_t pid() const { return pid_; }                       // 0: not known yet
  const std::string& failure() const { return failure_; }  // valid once it has failed

 private:
  Successor(int report, Instant until, Duration timeout)
      : report_(report), until_(until), timeout_(timeout) {}
  bool hear();
  void fail(std::string why);

  const int report_;
  const Instant until_;
  const Duration timeout_;
  Stage stage_ = Stage::starting;
  pid_t pid_ = 0;
  int pidfd_ = -1;
  std::string heard_;
  std::string failure_;
};

// In the successor: reports through the pipe that it is ready, and closes it.
void report_ready(int report);

}  // namespace kferry::cli
