#include "config/suggestion.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace kferry::config {
namespace {

// Too many names share a shorter beginning.
constexpr std::size_t prefix_min = 4;

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> known) {
  // A name longer than any key is not a typing error, and must not cost quadratic time.
  if (word.empty() || word.size() > 100) return std::nullopt;
  std::size_t best = std::max<std::size_t>(2, word.size() / 3) + 1;
  std::optional<std::string> found;
  for (const std::string& candidate : known) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best) {
      best = distance;
      found = candidate;
    }
  }
  if (found || word.size() < prefix_min) return found;
  // A name that is cut short, or too long.
  const auto begun = std::find_if(known.begin(), known.end(), [&](const std::string& candidate) {
    return candidate.starts_with(word) || (candidate.size() >= prefix_min && word.starts_with(candidate));
  });
  return begun == known.end() ? std::nullopt : std::optional(*begun);
}

}  // namespace kferry::config
