// The form of a log line: time, level, cause, subject, text. Pure.
//
//   2026-11-24T16:38:00.123Z level=warning cause=tls_hello_on_plaintext subject=10.0.0.1 "a TLS hello came in …"
//
// Text from outside cannot forge a line: control bytes, quotes, backslashes and invalid UTF-8 are escaped.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/log_sink.h"

namespace kferry::operations {

// In bytes. A longer cause or subject is cut, and so is a text whose line would exceed the first.
inline constexpr std::size_t line_size_max = 4096;
inline constexpr std::size_t cause_size_max = 64;
inline constexpr std::size_t subject_size_max = 256;

// `text` in double quotes, with everything except printable UTF-8 escaped: "\n", "\"", "\x1b".
std::string quoted(std::string_view text);

// One line with its line end. `journal_prefix`: begins with "<4>" or the like (sd-daemon(3)).
std::string log_line(const LogEvent& event, std::chrono::system_clock::time_point at, bool journal_prefix);

}  // namespace kferry::operations
