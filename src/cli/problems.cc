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

void print_count(const std::vector<config::Problem>& errors) {
  std::fprintf(stderr, "%zu %s in the configuration\n", errors.size(),
               errors.size() == 1 ? "error" : "errors");
}

}  // namespace kferry::cli
