// What the process says when it cannot continue, and how it ends then: for failures that leave no way back, such as no
// memory on a worker. Nothing here allocates, takes a lock, or waits for a reader without a bound.
#pragma once

#include <string_view>

namespace kferry {

// `flush` writes what was logged before, within a bounded time and without a lock, because the failing thread may hold
// it. Null: there is nothing to flush.
void set_flush_before_last_words(void (*flush)() noexcept);

// The form of the line of end_process(), as the log's own lines have it: as JSON (operations/log_line.h), and with
// systemd's prefix in front.
void set_form_of_last_words(bool json, bool journal_prefix);

// Writes to standard error after what was logged before. A reader that does not read for 200 ms loses it.
void last_words(std::string_view text) noexcept;

// Writes a log line of level error and ends the process with status 1, without destructors. `text` is one line and ends
// in the remedy; whatever is not printable ASCII in it, and quotes and backslashes, become '?'.
[[noreturn]] void end_process(std::string_view cause, std::string_view text) noexcept;

// From now on an exception that reaches the end of a thread ends the process by end_process(), not by an abort without
// a reason.
void explain_uncaught_exceptions();

}  // namespace kferry
