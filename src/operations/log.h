// Writes log events to a file descriptor (stderr), one event a line, and never more of a kind than a person
// can read:
//
//   2026-11-24T16:38:00.123Z level=warning cause=tls_hello_on_plaintext subject=10.0.0.1 "a TLS hello came in
//   …"
//
// Nothing from outside can forge a line: control bytes, quotes, backslashes and invalid UTF-8 are written as
// escapes. Per (cause, subject) and window the first `burst` lines are written, the rest counted; the count
// follows when the window is over ("97 more like this in 60 s"), at the next write(), tick() or at the end.
// Debug lines are limited too.
//
// A descriptor nobody reads: a line waits `blocked_wait` once; until there is room again lines are dropped
// without waiting, and how many is said first of all afterwards. The descriptor is not made O_NONBLOCK: it is
// shared with other processes. A pipe that others fill too may therefore still block for the moment between
// poll and write.
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
  // "<4>" and so on before each line, as systemd's journal reads them from stderr.
  bool journal_prefixes = false;
  std::uint32_t burst = 3;
  Duration window = std::chrono::seconds(60);
  // (cause, subject) pairs remembered; beyond it the least recently seen one is summed up and forgotten.
  std::size_t pairs_max = 4096;
  Duration blocked_wait = std::chrono::milliseconds(20);
  // Clocks, for tests; empty: the system's.
  std::function<std::chrono::system_clock::time_point()> wall_clock{};
  std::function<Instant()> clock{};
};

class Log final : public LogSink {
 public:
  explicit Log(LogOptions options);
  // Writes the counts that are open.
  ~Log() override;
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void write(const LogEvent& event) noexcept override;
  // Writes the counts of windows that are over. Called about once a second by whoever has a timer.
  void tick() noexcept;

  // Lines that found no room so far.
  std::uint64_t dropped() const;

 private:
  class Writer;
  std::unique_ptr<Writer> writer_;
};

// `text` in double quotes with everything that is not printable UTF-8 escaped: "\n", "\"", "\x1b".
std::string quoted(std::string_view text);

}  // namespace kferry::operations
