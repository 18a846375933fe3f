// The log and the audit trail of `run`, as the configuration wants them.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "base/log_sink.h"
#include "config/config.h"
#include "operations/audit_log.h"
#include "operations/log.h"

namespace kferry::cli {

operations::LogLevel log_level(config::LogLevel level);

// Of the log on standard error, with priority prefixes where that is systemd's journal. From now on the last words of a
// process that cannot continue have the same form.
operations::LogOptions log_options(const config::Operations& operations);

// Null: the configuration wants none. The error says what cannot be opened, and what to do.
std::expected<std::unique_ptr<operations::AuditLog>, std::string> start_audit(
    const config::Operations& operations, LogSink& log);

}  // namespace kferry::cli
