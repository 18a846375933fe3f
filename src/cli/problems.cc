#include "cli/problems.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "base/counted.h"
#include "base/printable.h"
#include "certificates/tls_contexts.h"
#include "cli/style.h"

namespace kferry::cli {

void print_problems(const std::vector<config::Problem>& problems) {
  const bool colours = colours_wanted(stderr);
  for (const config::Problem& problem : problems) {
    const std::string label =
        problem.warning ? paint(colours, Colour::yellow, "warning") : paint(colours, Colour::red, "error");
    std::fprintf(stderr, "%s: %s\n", label.c_str(), without_controls(config::to_string(problem)).c_str());
  }
}

void print_count(std::size_t errors) {
  std::fprintf(stderr, "%s in the configuration\n", counted(errors, "error").c_str());
}

std::optional<config::Loaded> load_or_explain(const std::optional<std::string>& path) {
  const auto sources = config::system_sources(path);
  if (!sources) {
    print_problems({sources.error()});
    return std::nullopt;
  }
  config::Loaded loaded = config::load(*sources);
  if (loaded.ok()) return loaded;
  print_problems(loaded.problems);
  // The stores of what is whole: so that all is told at once.
  const std::vector<config::Problem> broken =
      certificates::TlsContexts(std::make_shared<const config::Config>(loaded.config), null_log_sink(),
                                Instant{})
          .load();
  print_problems(broken);
  print_problems(loaded.warnings);
  print_count(loaded.problems.size() + static_cast<std::size_t>(std::ranges::count_if(
                                           broken, [](const auto& one) { return !one.warning; })));
  return std::nullopt;
}

config::Problem unresolved_name(const config::Listener& listener, const std::string& host,
                                const std::string& why) {
  return {"listener " + listener.name, "advertised host " + host + " cannot be resolved here (" + why + ")",
          "make sure that clients can resolve it", true};
}

}  // namespace kferry::cli
