// Writes audit records to a file, a FIFO or standard output, one a line:
//
//   write() ─▶ audit_line() ─▶ LogWriter: queue, thread ─▶ descriptor
//
// No caller ever waits for the reader: operations/log_writer.h says what is dropped then. Nothing else is left out.
// What is dropped is counted, and one line of the log tells of it. Every record is written whole or not at all.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/audit_sink.h"
#include "base/clock.h"
#include "base/log_sink.h"
#include "operations/audit_file.h"
#include "operations/audit_line.h"
#include "operations/log_writer.h"

namespace kferry::operations {

// Records that wait for the reader, and their bytes.
inline constexpr std::size_t audit_queue_records_max = 8192;
inline constexpr std::size_t audit_queue_bytes_max = std::size_t{8} << 20;

struct AuditOptions {
  std::string to;  // "stdout", or an absolute path
  AuditFormat format{};
  std::size_t queue_records_max = audit_queue_records_max;
  std::size_t queue_bytes_max = audit_queue_bytes_max;
  // How long the end of the trail waits for its reader.
  Duration end_wait = std::chrono::seconds(2);
  // For tests. Empty: the system's.
  std::function<std::chrono::system_clock::time_point()> wall_clock{};
};

class AuditLog final : public AuditSink {
 public:
  // `log` outlives it. The error says what cannot be opened, and what to do.
  static std::expected<std::unique_ptr<AuditLog>, std::string> start(AuditOptions options, LogSink& log);
  // Waits for the reader for `end_wait` at most.
  ~AuditLog() override;
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  void write(const AuditRecord& record) noexcept override;
  // Says how many records were lost since the last call, and looks for the reader of a FIFO that has none. To be called
  // about once a second, by one thread.
  void tick();
  // For log rotation: the trail continues in the file that has its name now. It says so where that fails. Any thread.
  void reopen();

  // Any thread.
  std::string_view sink() const { return file_ ? "file" : "stdout"; }
  // So far, with those that were dropped.
  std::uint64_t records() const { return records_.load(std::memory_order_relaxed); }
  std::uint64_t dropped() const { return lost_.load(std::memory_order_relaxed) + writer_->dropped(); }

 private:
  AuditLog(AuditOptions options, std::optional<AuditFile> file, std::unique_ptr<LogWriter> writer,
           LogSink& log);
  void look_for_reader();

  const AuditOptions options_;
  LogSink& log_;
  std::mutex reopening_;           // of file_
  std::optional<AuditFile> file_;  // nullopt: standard output
  const std::unique_ptr<LogWriter> writer_;
  std::atomic<std::uint64_t> records_ = 0;
  std::atomic<std::uint64_t> lost_ = 0;  // for want of memory
  std::uint64_t told_ = 0;               // so many of those dropped
};

}  // namespace kferry::operations
