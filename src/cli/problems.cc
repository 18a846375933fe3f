#include "cli/problems.h"

#include <cstdio>
#include <string>

#include "cli/style.h"

namespace kferry::cli {

void print_problems(const std::vector<config::Problem>& problems) {
  const bool colours = colours_wanted(stderr);
  for (const config::Problem& problem : problems) {
    const std::string label =
        problem.warning ? paint(colours, Colour::yellow, "warning") : paint(colours, Colour::red, "error");
    std::fprintf(stderr, "%s: %s\n", label.c_str(), printable(config::to_string(problem)).c_str());
  }
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
  print_problems(loaded.warnings);
  std::fprintf(stderr, "%zu %s in the configuration\n", loaded.problems.size(),
               loaded.problems.size() == 1 ? "error" : "errors");
  return std::nullopt;
}

}  // namespace kferry::cli
