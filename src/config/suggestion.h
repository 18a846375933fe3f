// "did you mean …?": the known name that a misspelled one was probably meant to be.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace kferry::config {

// Levenshtein: insertions, deletions and replacements, each counting one.
std::size_t edit_distance(std::string_view a, std::string_view b);
// The known word nearest to `word`, within a third of its length; otherwise one that begins as it does.
// nullopt if all are too far.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> known);

}  // namespace kferry::config
