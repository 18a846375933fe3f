#include "cli/run_log.h"

#include <unistd.h>

#include <cstdlib>

#include "base/last_words.h"
#include "operations/journal.h"

namespace kferry::cli {

operations::LogLevel log_level(config::LogLevel level) {
  switch (level) {
    case config::LogLevel::off:
      return operations::LogLevel::off;
    case config::LogLevel::error:
      return operations::LogLevel::error;
    case config::LogLevel::warning:
      return operations::LogLevel::warning;
    case config::LogLevel::info:
      return operations::LogLevel::info;
    case config::LogLevel::debug:
      return operations::LogLevel::debug;
  }
  return operations::LogLevel::info;
}

operations::LogOptions log_options(const config::Operations& operations) {
  const bool json = operations.log_format == config::LogFormat::json;
  const bool journal = operations::is_journal(STDERR_FILENO, std::getenv("JOURNAL_STREAM"));
  set_form_of_last_words(json, journal);
  return {.level = log_level(operations.log_level),
          .form = {json ? operations::LogFormat::json : operations::LogFormat::text, journal}};
}

std::expected<std::unique_ptr<operations::AuditLog>, std::string> start_audit(
    const config::Operations& operations, LogSink& log) {
  if (operations.audit == "off") return nullptr;
  const bool ocsf = operations.audit_format == config::AuditFormat::ocsf;
  return operations::AuditLog::start(
      {.to = operations.audit,
       .format = ocsf ? operations::AuditFormat::ocsf : operations::AuditFormat::json},
      log);
}

}  // namespace kferry::cli
