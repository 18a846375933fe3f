// Writes log events to a file descriptor (stderr), one event per line, and never more of a kind than a person can read:
//
//   2026-11-24T16:38:00.123Z level=warning cause=tls_hello_on_plaintext subject=10.0.0.1 "a TLS hello came in
//   …"
//
// Text from outside cannot forge a line: control bytes, quotes, backslashes and invalid UTF-8 are escaped. For each
// (cause, subject) the first `burst` lines of a window are written and the rest are counted. When the window is over,
// the count follows ("97 more like this in 60 s"), at the next write() or tick() or at the end. Debug lines are
// limited, too.
//
// A blocked descriptor: a line waits for `blocked_wait` once. Then lines are dropped without waiting until there is
// room again, and the next line reports how many. The descriptor is not made O_NONBLOCK, because it is shared with
// other processes, so a pipe that others also fill may still block in the moment between poll and write.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log_sink.h"

namespace kferry::operations {

struct LogOptions {
  int fd = 2;  // not closed
  Severity threshold = Severity::info;
  // Whether each line begins with "<4>" or the like, which systemd's journal understands.
  bool journal_prefixes = false;
  std::uint32_t burst = 3;
  Duration window = std::chrono::seconds(60);
  // How many (cause, subject) pairs are remembered. Beyond that, the count of the least recently seen one is written
  // and the pair forgotten.
  std::size_t pairs_max = 4096;
  Duration blocked_wait = std::chrono::milliseconds(20);
  // Clocks for tests. Empty: the system's.
  std::function<std::chrono::system_clock::time_point()> wall_clock{};
  std::function<Instant()> clock{};
};

class Log final : public LogSink {
 public:
  explicit Log(LogOptions options);
  // Writes the remaining counts.
  ~Log() override;
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void write(const LogEvent& event) noexcept override;
  // Writes the counts of windows that are over. To be called about once a second.
  void tick() noexcept;

  // The number of lines dropped so far.
  std::uint64_t dropped() const;

 private:
  class Writer;
  std::unique_ptr<Writer> writer_;
};

// `text` in double quotes, with everything except printable UTF-8 escaped: "\n", "\"", "\x1b".
std::string quoted(std::string_view text);

}  // namespace kferry::operations
