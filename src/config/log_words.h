// What the words of log_format and log_level mean, Log4j's among them. In any case.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/config.h"

namespace kferry::config {

// nullopt: not a known word.
std::optional<LogFormat> log_format_of(std::string_view word);
std::optional<LogLevel> log_level_of(std::string_view word);

// "off, error, warning, …", for messages.
std::string log_level_words();

}  // namespace kferry::config
