#include "operations/log.h"

#include <cstring>
#include <utility>

#include "base/counted.h"

namespace kferry::operations {
namespace {

LogOptions with_clocks(LogOptions options) {
  if (!options.wall_clock) options.wall_clock = [] { return std::chrono::system_clock::now(); };
  if (!options.clock) options.clock = monotonic_now;
  return options;
}

std::string lost_line(const LogOptions& options, std::uint64_t lost) {
  return log_line({Severity::warning, "log_lines_lost", "",
                   counted(lost, "line was", "lines were") + " lost: the reader of this log did not keep up"},
                  options.wall_clock(), options.form);
}

bool admits(LogLevel level, Severity severity) {
  static_assert(static_cast<int>(LogLevel::error) == static_cast<int>(Severity::error) + 1);
  static_assert(static_cast<int>(LogLevel::debug) == static_cast<int>(Severity::debug) + 1);
  return static_cast<int>(severity) < static_cast<int>(level);
}

}  // namespace

std::expected<std::unique_ptr<Log>, std::string> Log::start(LogOptions options) {
  options = with_clocks(std::move(options));
  auto writer =
      LogWriter::start({.fd = options.fd,
                        .lines_max = options.queue_lines_max,
                        .bytes_max = options.queue_bytes_max,
                        .end_wait = options.end_wait,
                        .lost_line = [options](std::uint64_t lost) { return lost_line(options, lost); }});
  if (!writer) return std::unexpected(std::move(writer.error()));
  return std::unique_ptr<Log>(new Log(std::move(options), std::move(*writer)));
}

Log::Log(LogOptions options, std::unique_ptr<LogWriter> writer)
    : options_(std::move(options)),
      writer_(std::move(writer)),
      file_(options_.fd),
      level_(options_.level),
      repeats_(options_.repeats) {}

Log::~Log() {
  try {
    const std::lock_guard lock(mutex_);
    std::vector<RepeatLimit::Count> counts;
    repeats_.end_windows(options_.clock(), counts, true);
    put_counts(std::move(counts));
  } catch (...) {
    // Out of memory at the very end: the last counts are lost.
  }
}

// Only allocation can throw below. Without memory the line is lost, and the process continues.
void Log::write(const LogEvent& event) noexcept {
  if (!admits(level_.load(std::memory_order_relaxed), event.severity)) return;
  try {
    const std::lock_guard lock(mutex_);
    std::vector<RepeatLimit::Count> counts;
    const bool written = repeats_.admit(event.severity, event.cause.substr(0, cause_size_max),
                                        event.subject.substr(0, subject_size_max), options_.clock(), counts);
    put_counts(std::move(counts));
    if (written) put(event);
  } catch (...) {
    // lost
  }
}

void Log::tick() noexcept {
  try {
    const std::lock_guard lock(mutex_);
    std::vector<RepeatLimit::Count> counts;
    repeats_.end_windows(options_.clock(), counts);
    put_counts(std::move(counts));
    writer_->tick();
  } catch (...) {
    // lost
  }
}

void Log::reopen() {
  if (file_.path().empty()) return;
  // What was logged before the file was moved belongs to the one that was moved.
  flush(options_.end_wait);
  const auto [error, another] = file_.reopen();
  if (another) write({Severity::info, "log_reopened", file_.path(), "the log continues in this file"});
  if (error == 0) return;
  write({Severity::error, "log_not_reopened", file_.path(),
         "the log stays in the file that was open, since no file of its name can be opened: " +
             std::string(std::strerror(error)) +
             ": correct the folder or its permissions, and reload again"});
}

bool Log::flush(Duration wait) {
  return writer_->flush(wait);
}

void Log::put(const LogEvent& event) {
  writer_->put(log_line(event, options_.wall_clock(), options_.form));
}

void Log::put_counts(std::vector<RepeatLimit::Count> counts) {
  for (const RepeatLimit::Count& count : counts) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(count.in).count();
    put({count.severity, count.cause, count.subject,
         "… " + std::to_string(count.more) + " more like this in " + std::to_string(seconds) + " s" +
             (count.of_cause ? ", about other subjects" : "")});
  }
}

}  // namespace kferry::operations
