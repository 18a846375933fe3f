// The entry point: words to a verb, the verb's value to the exit status.
#include <sys/prctl.h>

#include <cstdio>
#include <exception>

#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/options.h"

namespace kferry::cli {
namespace {

int perform(const RunOptions& options) {
  return run(options);
}
int perform(const CheckOptions& options) {
  return check(options);
}
int perform(const DoctorOptions& options) {
  return doctor(options);
}
int perform(const ProbeOptions& options) {
  return probe(options);
}
int perform(const SettingsOptions& options) {
  return settings(options);
}
int perform(const CompletionOptions& options) {
  const auto script = completion_script(options.shell);
  if (!script) return exit_failure;
  std::fwrite(script->data(), 1, script->size(), stdout);
  return exit_well;
}

}  // namespace
}  // namespace kferry::cli

int main(int count, char** words) {
  using namespace kferry::cli;
  // The environment and the heap hold secrets, and a core dump would hold both. RLIMIT_CORE does not reach
  // dumps that go through a pipe; this does.
  prctl(PR_SET_DUMPABLE, 0);
  try {
    const auto options = parse_options(count, words);
    if (!options) return options.error();
    return std::visit([](const auto& chosen) { return perform(chosen); }, *options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kferry: %s\n", error.what());
    return exit_failure;
  }
}
