// Where every layer reports what happened. operations/log.h writes it: one event, one line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/session_id.h"

namespace kferry {

enum class Severity : std::uint8_t { error, warning, info, debug };

struct LogEvent {
  Severity severity = Severity::info;
  // A stable name for what happened ("tls_hello_on_plaintext"). The sink limits repeats per cause and subject, and per
  // cause.
  std::string_view cause;
  // What the event is about: a client's address, a listener. Without a port if repeats are to be counted together.
  std::string_view subject;
  // What happened and what to do about it, one line, no trailing period or newline. Never a secret.
  std::string text;
  // The client connection that the event is about; 0: none. Repeats are counted together whatever it is.
  SessionId session{};
};

// Called from any thread. Waits for no reader of the log, and never throws.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(const LogEvent& event) noexcept = 0;
};

// Drops everything. For tests, and for tools that report in another way.
LogSink& null_log_sink();

}  // namespace kferry
