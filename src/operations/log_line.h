// The forms of a log line, with the same fields: time, level, cause, subject, session, text. Pure.
//
//   2026-11-24T16:38:00.123Z level=warning cause=http_request subject=10.0.0.1 session=00d1f5a2b3c4e697 "an HTTP …"
//   {"time":"2026-11-24T16:38:00.123Z","level":"warning","cause":"http_request","subject":"10.0.0.1",
//    "session":"00d1f5a2b3c4e697","text":"an HTTP …"}                                                  (on one line)
//
// A line about nothing in particular has no subject, one about no client connection no session. Text from outside
// cannot forge a line: control bytes, quotes, backslashes and invalid UTF-8 are escaped.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/log_sink.h"

namespace kferry::operations {

enum class LogFormat : std::uint8_t { text, json };

struct LineForm {
  LogFormat format = LogFormat::text;
  // Whether a line begins with "<4>" or the like (sd-daemon(3)), which systemd's journal takes off again.
  bool journal_prefix = false;
};

// In bytes. A longer cause or subject is cut, and so is a text whose line would exceed the first.
inline constexpr std::size_t line_size_max = 4096;
inline constexpr std::size_t cause_size_max = 64;
inline constexpr std::size_t subject_size_max = 256;

// As lines of the log and of the audit trail show it: 16 hexadecimal digits.
std::string session_text(SessionId id);

// `text` in double quotes, with everything except printable UTF-8 escaped: "\n", "\"", "\x1b".
std::string quoted(std::string_view text);

// One line with its line end.
std::string log_line(const LogEvent& event, std::chrono::system_clock::time_point at, const LineForm& form);

}  // namespace kferry::operations
