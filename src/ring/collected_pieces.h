// The pieces of a turn's receives, in one array for all of its completions.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "ring/ring.h"

namespace kferry::ring {

// Points the completions at their pieces, which stand in `pieces` in the same order and may have moved while more were
// appended.
inline void point_at_pieces(std::span<Completion> completions, const std::vector<Piece>& pieces) {
  std::size_t place = 0;
  for (Completion& completion : completions) {
    const std::size_t count = completion.pieces.size();
    if (count == 0) continue;
    completion.pieces = std::span(pieces).subspan(place, count);
    place += count;
  }
}

}  // namespace kferry::ring
