// What the loader's parts report into.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "base/counted.h"
#include "config/load.h"

namespace kferry::config {

struct Report {
  // Of errors and of warnings. What comes after them is only counted: a file that is not a configuration at all must
  // not cost minutes and megabytes.
  static constexpr std::size_t shown_max = 200;

  std::vector<Problem> problems;
  std::vector<Problem> warnings;
  std::size_t problems_left_out = 0;
  std::size_t warnings_left_out = 0;

  // Asked before an expensive remedy is worked out.
  bool full() const { return problems.size() >= shown_max; }
  bool warnings_full() const { return warnings.size() >= shown_max; }

  // Reports each fault once, also when several listeners share the setting.
  void error(std::string where, std::string what, std::string remedy) {
    for (const Problem& problem : problems) {
      if (problem.where == where && problem.what == what) return;
    }
    if (full()) {
      ++problems_left_out;
    } else {
      problems.push_back({std::move(where), std::move(what), std::move(remedy), false});
    }
  }
  void warn(std::string where, std::string what, std::string remedy) {
    if (warnings_full()) {
      ++warnings_left_out;
    } else {
      warnings.push_back({std::move(where), std::move(what), std::move(remedy), true});
    }
  }
  // Adds what another reader has found, in its order.
  void add(Report&& other) {
    problems_left_out += other.problems_left_out;
    warnings_left_out += other.warnings_left_out;
    for (Problem& one : other.problems)
      error(std::move(one.where), std::move(one.what), std::move(one.remedy));
    for (Problem& one : other.warnings)
      warn(std::move(one.where), std::move(one.what), std::move(one.remedy));
  }
  // Says at the end of each list how many were left out.
  void close() {
    if (problems_left_out > 0)
      problems.push_back({"configuration", counted(problems_left_out, "more error") + " not shown",
                          "correct these first", false});
    if (warnings_left_out > 0)
      warnings.push_back({"configuration", counted(warnings_left_out, "more warning") + " not shown",
                          "correct these first", true});
  }
};

}  // namespace kferry::config
