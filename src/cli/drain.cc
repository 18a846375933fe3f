// `kferry drain`: asks the running kferry to end in order, and shows how far it is until it has stopped
// (cli/lifetime.h). Exit status 1 if a connection had to be reset, or kferry cannot be asked.
#include <cstdio>
#include <string>

#include "base/printable.h"
#include "cli/commands.h"
#include "cli/control_client.h"

namespace kferry::cli {

int drain(const DrainOptions& options) {
  operations::JsonObject request;
  request.set_text("command", "drain").set_flag("follow", options.wait);
  std::string shown;
  const auto show = [&](const operations::JsonObject& line) {
    std::string text = without_controls(line.text("text").value_or(""));
    if (line.text("type") != "progress" || text == shown) return;
    std::printf("%s\n", text.c_str());
    std::fflush(stdout);  // the next line may be a minute away
    shown = std::move(text);
  };
  const auto answer = ask_control(control_path(options.control, options.config_path), request, show);
  if (!answer) {
    std::fprintf(stderr, "kferry drain: %s\n", answer.error().c_str());
    return exit_failure;
  }
  const operations::JsonObject& result = answer->back();
  const bool ok = result.flag("ok").value_or(false);
  std::fprintf(ok ? stdout : stderr, "%s\n", without_controls(result.text("text").value_or("")).c_str());
  return ok ? exit_well : exit_failure;
}

}  // namespace kferry::cli
