// `kferry reload`: asks the running kferry to read its configuration again, and prints what changed. Exit status 2 if
// it refuses the configuration, 1 if it cannot be asked.
#include <cstdio>
#include <string>

#include "cli/commands.h"
#include "cli/control_client.h"
#include "cli/style.h"

namespace kferry::cli {
namespace {

void print_line(const operations::JsonObject& line) {
  const std::string type = line.text("type").value_or("");
  const std::string text = shown_text(line);
  if (type == "error" || type == "warning") {
    const bool colours = colours_wanted(stderr);
    const std::string label = paint(colours, type == "error" ? Colour::red : Colour::yellow, type);
    std::fprintf(stderr, "%s: %s\n", label.c_str(), text.c_str());
  } else if (type == "needs_upgrade") {
    std::printf("%s (needs an upgrade or restart)\n", text.c_str());
  } else if (type == "change") {
    std::printf("%s\n", text.c_str());
  }
}

}  // namespace

int reload(const ReloadOptions& options) {
  operations::JsonObject request;
  request.set_text("command", "reload").set_flag("dry_run", options.dry_run);
  const auto answer = ask_or_explain("reload", control_path(options.control, options.config_path), request);
  if (!answer) return exit_failure;
  bool errors = false;
  for (const operations::JsonObject& line : *answer) {
    print_line(line);
    errors = errors || line.text("type") == "error";
  }
  return print_result(answer->back()) ? exit_well : errors ? exit_configuration : exit_failure;
}

}  // namespace kferry::cli
