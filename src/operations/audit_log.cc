#include "operations/audit_log.h"

#include <unistd.h>

#include <cstring>
#include <utility>

#include "base/counted.h"

namespace kferry::operations {
namespace {

std::string where(const AuditOptions& options) {
  return options.to == "stdout" ? "standard output" : options.to;
}

}  // namespace

std::expected<std::unique_ptr<AuditLog>, std::string> AuditLog::start(AuditOptions options, LogSink& log) {
  if (!options.wall_clock) options.wall_clock = [] { return std::chrono::system_clock::now(); };
  std::optional<AuditFile> file;
  if (options.to != "stdout") {
    auto opened = AuditFile::open(options.to);
    if (!opened)
      return std::unexpected("cannot open the audit trail " + options.to + ": " +
                             std::strerror(opened.error()) +
                             ": correct audit in [operations], the folder or its permissions");
    file.emplace(std::move(*opened));
  }
  auto writer = LogWriter::start({.fd = file ? file->fd() : STDOUT_FILENO,
                                  .whole_lines = true,
                                  .lines_max = options.queue_records_max,
                                  .bytes_max = options.queue_bytes_max,
                                  .end_wait = options.end_wait});
  if (!writer) return std::unexpected(std::move(writer.error()));
  return std::unique_ptr<AuditLog>(
      new AuditLog(std::move(options), std::move(file), std::move(*writer), log));
}

AuditLog::AuditLog(AuditOptions options, std::optional<AuditFile> file, std::unique_ptr<LogWriter> writer,
                   LogSink& log)
    : options_(std::move(options)), log_(log), file_(std::move(file)), writer_(std::move(writer)) {}

AuditLog::~AuditLog() {
  writer_->flush(options_.end_wait);
  tick();
}

// Only allocation can throw below. Without memory the record is lost, and the process continues.
void AuditLog::write(const AuditRecord& record) noexcept {
  records_.fetch_add(1, std::memory_order_relaxed);
  std::string line;
  try {
    line = audit_line(record, options_.wall_clock(), options_.format);
  } catch (...) {
    lost_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  try {
    writer_->put(std::move(line));
  } catch (...) {
    // The writer has counted it.
  }
}

void AuditLog::tick() {
  look_for_reader();
  const std::uint64_t dropped_now = dropped();
  const std::uint64_t untold = dropped_now - std::exchange(told_, dropped_now);
  if (untold == 0) return;
  log_.write({Severity::error, "audit_records_lost", where(options_),
              counted(untold, "audit record was", "audit records were") +
                  " lost: the reader of the trail does not keep up, or its disk is full: " +
                  "see kferry_audit_dropped_total"});
}

void AuditLog::look_for_reader() {
  const std::lock_guard lock(reopening_);
  if (file_ && file_->refuses()) file_->reopen();
}

void AuditLog::reopen() {
  if (!file_) return;
  // What was recorded before the file was moved belongs to the one that was moved.
  writer_->flush(options_.end_wait);
  const std::lock_guard lock(reopening_);
  if (const int error = file_->reopen(); error != 0)
    log_.write({Severity::error, "audit_not_reopened", file_->path(),
                "the audit trail stays in the file that was open, since no file of its name can be opened: " +
                    std::string(std::strerror(error)) +
                    ": correct the folder or its permissions, and reload again"});
}

}  // namespace kferry::operations
