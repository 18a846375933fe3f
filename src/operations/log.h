// Writes log events to a file descriptor (stderr), one event per line, and never more of a kind than a person can read:
//
//   write() ─▶ RepeatLimit: few per (cause, subject), and cause ─▶ log_line() ─▶ LogWriter: queue, thread ─▶ fd
//
// What a limit holds back is counted. When its window is over, the count follows ("… 97 more like this in 60 s"), at
// the next write() or tick() or at the end. Debug lines are limited, too. No caller ever waits for the reader: see
// operations/log_writer.h for what is dropped then, and how that is reported.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log_sink.h"
#include "operations/log_file.h"
#include "operations/log_line.h"
#include "operations/log_writer.h"
#include "operations/repeat_limit.h"

namespace kferry::operations {

// Which events are written: those at least as severe. In this order.
enum class LogLevel : std::uint8_t { off, error, warning, info, debug };

struct LogOptions {
  int fd = 2;  // not closed
  LogLevel level = LogLevel::info;
  LineForm form{};
  RepeatLimit::Options repeats{};
  // Of lines that wait for the reader.
  std::size_t queue_lines_max = 4096;
  std::size_t queue_bytes_max = std::size_t{1} << 20;
  // How long the end of the log waits for its reader.
  Duration end_wait = std::chrono::seconds(2);
  // Clocks for tests, called by the threads that write. Empty: the system's.
  std::function<std::chrono::system_clock::time_point()> wall_clock{};
  std::function<Instant()> clock{};
};

class Log final : public LogSink {
 public:
  // The error says what this host lacks.
  static std::expected<std::unique_ptr<Log>, std::string> start(LogOptions options);
  // Writes the remaining counts, and waits for the reader for `end_wait` at most.
  ~Log() override;
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void write(const LogEvent& event) noexcept override;
  // Writes the counts of windows that are over, and the number of lost lines. To be called about once a second.
  void tick() noexcept;

  // For log rotation: a log that goes to a file continues in the file that has its name now, made if need be. It says
  // so if that is another one, and also where it fails and the log stays where it is. Does nothing for other
  // descriptors.
  void reopen();
  // From now on. Any thread.
  void set_level(LogLevel level) { level_.store(level, std::memory_order_relaxed); }

  // Waits until everything written so far has reached the descriptor or is lost; false: not in `wait`.
  bool flush(Duration wait);
  // The same for a process that is about to abort: takes no lock.
  void flush_without_lock(Duration wait) const noexcept { writer_->flush_without_lock(wait); }

  // The number of lines dropped so far.
  std::uint64_t dropped() const { return writer_->dropped(); }

 private:
  Log(LogOptions options, std::unique_ptr<LogWriter> writer);
  void put(const LogEvent& event);
  void put_counts(std::vector<RepeatLimit::Count> counts);

  const LogOptions options_;
  const std::unique_ptr<LogWriter> writer_;
  const LogFile file_;
  std::atomic<LogLevel> level_;
  std::mutex mutex_;  // of repeats_, and keeps lines in the order of their events
  RepeatLimit repeats_;
};

}  // namespace kferry::operations
