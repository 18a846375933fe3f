// `kferry run`: loads the configuration, starts the server, and waits for SIGTERM or SIGINT.
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <iostream>
#include <string>

#include "cli/commands.h"
#include "config/load.h"
#include "net/cares_resolver.h"
#include "operations/log.h"
#include "proxy/server.h"

namespace kferry::cli {
namespace {

// Every connection takes two descriptors: what the hard limit allows is taken at once.
void raise_open_files() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

}  // namespace kferry::cli
