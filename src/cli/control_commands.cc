#include "cli/control_commands.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "base/counted.h"
#include "cli/commands.h"
#include "cli/commit.h"

namespace kferry::cli {
namespace {

using operations::control_result;
using operations::ControlAnswer;
using operations::JsonObject;

std::string summary_of(const ReloadReport& report, bool dry_run) {
  if (report.refused) {
    std::size_t errors = 0;
    for (const config::Problem& problem : report.problems) errors += problem.warning ? 0 : 1;
    return "refused: " + counted(errors, "error") + "; the configuration in force stays";
  }
  if (!report.changed()) return dry_run ? "nothing would change" : "nothing has changed";
  return counted(report.changes.size(), "change") + (dry_run                      ? " would take effect"
                                                     : report.changes.size() == 1 ? " is in force"
                                                                                  : " are in force");
}

}  // namespace

ControlAnswer answer_of(const ReloadReport& report, bool dry_run) {
  ControlAnswer answer;
  const auto add = [&](std::string_view type, std::string_view text) -> JsonObject& {
    return answer.emplace_back().set_text("type", type).set_text("text", text);
  };
  for (const config::Problem& problem : report.problems)
    add(problem.warning ? "warning" : "error", to_string(problem));
  if (!report.refused)
    for (const std::string& change : report.changes) add("change", change);
  for (const std::string& change : report.need_upgrade) add("needs_upgrade", change);
  answer.push_back(control_result(!report.refused, summary_of(report, dry_run)).front());
  return answer;
}

JsonObject progress_line(std::string_view text) {
  JsonObject line;
  line.set_text("type", "progress").set_text("text", text);
  return line;
}

ControlAnswer answer_command(const JsonObject& request, const ControlCalls& calls) {
  const std::string command = request.text("command").value_or("");
  const auto unavailable = [&] { return control_result(false, command + " is not available here"); };
  if (command == "version") return control_result(true, "kferry " KFERRY_VERSION " " KFERRY_COMMIT);
  if (command == "reload") {
    if (!calls.reload) return unavailable();
    const bool dry_run = request.flag("dry_run").value_or(false);
    return answer_of(calls.reload(dry_run), dry_run);
  }
  if (command == "drain") {
    if (!calls.drain) return unavailable();
    calls.drain();
    // The result is told at the end (ControlServer::tell).
    if (request.flag("follow").value_or(false)) return {progress_line("kferry drains")};
    return control_result(true, "kferry drains; its log says how far it is");
  }
  if (command == "upgrade") {
    if (!calls.upgrade) return unavailable();
    const std::int64_t timeout_s = request.number("timeout_s").value_or(default_upgrade_timeout_s);
    if (timeout_s < 1 || timeout_s > upgrade_timeout_s_max)
      return control_result(false, "timeout_s must be from 1 to " + std::to_string(upgrade_timeout_s_max));
    return calls.upgrade(std::chrono::seconds(timeout_s));
  }
  if (command == "health") return calls.health ? calls.health() : unavailable();
  if (command == "log_level") {
    if (!calls.log_level) return unavailable();
    const auto level = request.text("level");
    return level ? calls.log_level(*level) : control_result(false, "log_level needs a level");
  }
  return control_result(false,
                        "unknown command; commands: reload, drain, upgrade, health, log_level, version");
}

std::expected<std::unique_ptr<operations::ControlServer>, std::string> serve_control(const std::string& path,
                                                                                     ControlCalls calls,
                                                                                     LogSink& log,
                                                                                     HandedSockets& handed) {
  std::optional<operations::ControlSocket> socket;
  const int listening = path == "off" ? -1 : handed.take_unix(path);
  if (listening >= 0) {
    socket = operations::ControlSocket::adopt(path, listening, handed.take_named(handed_control_lock));
  } else if (path != "off") {
    auto opened = operations::ControlSocket::open(path);
    if (opened) {
      socket = std::move(*opened);
    } else {
      log.write({Severity::warning, "control_unavailable", "",
                 "no control socket, so that kferry reload and its like cannot reach this process: " +
                     opened.error()});
    }
  }
  return operations::ControlServer::start(
      std::move(socket), [calls](const JsonObject& request) { return answer_command(request, calls); },
      [calls] {
        if (calls.reload) calls.reload(false);
      });
}

}  // namespace kferry::cli
