// The log of `run`, as the configuration wants it.
#pragma once

#include "config/config.h"
#include "operations/log.h"

namespace kferry::cli {

operations::LogLevel log_level(config::LogLevel level);

// Of the log on standard error, with priority prefixes where that is systemd's journal. From now on the last words of a
// process that cannot continue have the same form.
operations::LogOptions log_options(const config::Operations& operations);

}  // namespace kferry::cli
