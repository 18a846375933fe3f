// The commands of the control socket, each a call that its owner sets (docs/operations.md has the protocol). Belongs to
// `run`.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/handed_sockets.h"
#include "base/log_sink.h"
#include "cli/reloader.h"
#include "operations/control_server.h"

namespace kferry::cli {

// Each is called on the control server's thread. What is not set is answered as not available.
struct ControlCalls {
  std::function<ReloadReport(bool dry_run)> reload;
  std::function<void()> drain;
  // `timeout`: within which the new process must be ready.
  std::function<operations::ControlAnswer(Duration timeout)> upgrade;
  std::function<operations::ControlAnswer()> health;
  std::function<operations::ControlAnswer(const std::string& level)> log_level;
};

// For a client that follows.
operations::JsonObject progress_line(std::string_view text);
operations::ControlAnswer answer_of(const ReloadReport& report, bool dry_run);

// Answers one request.
operations::ControlAnswer answer_command(const operations::JsonObject& request, const ControlCalls& calls);

// Serves the control socket at `path` ("off": none) from now on; soon() reloads. Where it cannot be opened, a warning
// is logged, and signals still work. A socket that `handed` has is taken over. The error says what the host lacks. What
// the calls use outlives the server.
std::expected<std::unique_ptr<operations::ControlServer>, std::string> serve_control(const std::string& path,
                                                                                     ControlCalls calls,
                                                                                     LogSink& log,
                                                                                     HandedSockets& handed);

}  // namespace kferry::cli
