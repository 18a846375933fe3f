// What the loader's parts report into.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/load.h"

namespace kferry::config {

struct Report {
  std::vector<Problem> problems;
  std::vector<Problem> warnings;

  // Reports each fault once, also when several listeners share the setting.
  void error(std::string where, std::string what, std::string remedy) {
    for (const Problem& problem : problems) {
      if (problem.where == where && problem.what == what) return;
    }
    problems.push_back({std::move(where), std::move(what), std::move(remedy), false});
  }
  void warn(std::string where, std::string what, std::string remedy) {
    warnings.push_back({std::move(where), std::move(what), std::move(remedy), true});
  }
};

}  // namespace kferry::config
