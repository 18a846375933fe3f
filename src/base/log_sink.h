// Where every layer tells what happened; operations writes it. One event, one line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kferry {

enum class Severity : std::uint8_t { error, warning, info, debug };

struct LogEvent {
  Severity severity = Severity::info;
  // A stable name of what happened ("tls_hello_on_plaintext"): the sink limits repeats per cause and subject.
  std::string_view cause;
  // Whom it is about, without a port where repeats are to be counted together: a client's address, a listener.
  std::string_view subject;
  // What happened and what to do about it, one line, no trailing period or newline. Never a secret.
  std::string text;
};

// Called from any thread; must not block for long and never throws.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(const LogEvent& event) noexcept = 0;
};

// Drops everything; for tests and tools that report by other means.
LogSink& null_log_sink();

}  // namespace kferry
