// `kferry upgrade`: asks the running kferry to start the binary that is now in its place, and waits until that one
// serves (cli/lifetime.h). Exit status 1 if the running kferry serves on, or cannot be asked.
#include <cstdio>
#include <string>

#include "cli/commands.h"
#include "cli/control_client.h"

namespace kferry::cli {

int upgrade(const UpgradeOptions& options) {
  const std::string path = control_path(options.control, options.config_path);
  operations::JsonObject question;
  const auto running = ask_or_explain("upgrade", path, question.set_text("command", "version"));
  if (!running) return exit_failure;
  std::printf("%s runs, and starts the binary that is in its place now\n",
              shown_text(running->back()).c_str());
  std::fflush(stdout);  // the new process takes seconds where it fails
  question.set_text("command", "upgrade").set_number("timeout_s", options.timeout_s);
  const auto answer = ask_or_explain("upgrade", path, question);
  if (!answer) return exit_failure;
  const operations::JsonObject& result = answer->back();
  if (result.flag("ok").value_or(false)) {
    std::printf("%s\n", shown_text(result).c_str());
    return exit_well;
  }
  std::fprintf(stderr,
               "kferry upgrade: %s; nothing has changed: kferry's log has the lines of the new process, and "
               "kferry check shows what is wrong with its configuration\n",
               shown_text(result).c_str());
  return exit_failure;
}

}  // namespace kferry::cli
