// The entry point: words to a verb, the verb's value to the exit status.
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <new>

#include "base/last_words.h"
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
int perform(const HealthOptions& options) {
  return health(options);
}
int perform(const ReloadOptions& options) {
  return reload(options);
}
int perform(const UpgradeOptions& options) {
  return upgrade(options);
}
int perform(const DrainOptions& options) {
  return drain(options);
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

// Started without standard streams, as some supervisors do: /dev/null takes their numbers, so that no socket or ring of
// kferry's gets them, and with them what is written to the standard streams.
bool open_standard_streams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd) return false;
  }
  return true;
}

}  // namespace
}  // namespace kferry::cli

int main(int count, char** words) {
  using namespace kferry::cli;
  // The environment and the heap hold secrets, and a core dump would hold both. RLIMIT_CORE does not reach
  // dumps that go through a pipe; this does.
  prctl(PR_SET_DUMPABLE, 0);
  if (!open_standard_streams()) return exit_failure;
  kferry::explain_uncaught_exceptions();
  try {
    const auto options = parse_options(count, words);
    if (!options) return options.error();
    return std::visit([](const auto& chosen) { return perform(chosen); }, *options);
  } catch (const std::bad_alloc&) {
    std::fputs(
        "kferry: out of memory: raise the limit of the container or the unit (MemoryMax=, ulimit -v)\n",
        stderr);
    return exit_failure;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kferry: %s\n", error.what());
    return exit_failure;
  }
}
