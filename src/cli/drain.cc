// `kferry drain`: asks the running kferry to end in order, and shows how far it is until it has stopped
// (cli/lifetime.h). Exit status 1 if a connection had to be reset, or kferry cannot be asked.
#include <cstdio>
#include <string>

#include "cli/commands.h"
#include "cli/control_client.h"

namespace kferry::cli {

int drain(const DrainOptions& options) {
  operations::JsonObject request;
  request.set_text("command", "drain").set_flag("follow", options.wait);
  std::string shown;
  const auto show = [&](const operations::JsonObject& line) {
    std::string text = shown_text(line);
    if (line.text("type") != "progress" || text == shown) return;
    std::printf("%s\n", text.c_str());
    std::fflush(stdout);  // the next line may be a minute away
    shown = std::move(text);
  };
  const auto answer =
      ask_or_explain("drain", control_path(options.control, options.config_path), request, show);
  return answer && print_result(answer->back()) ? exit_well : exit_failure;
}

}  // namespace kferry::cli
