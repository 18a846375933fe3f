// The pieces of all receives of one turn, kept in one array.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "ring/ring.h"

namespace kferry::ring {

// Points each completion at its pieces. `pieces` holds them in the order of the completions; the array may have moved
// since they were appended.
inline void point_at_pieces(std::span<Completion> completions, const std::vector<Piece>& pieces) {
  std::size_t next = 0;
  for (Completion& completion : completions) {
    const std::size_t count = completion.pieces.size();
    if (count == 0) continue;
    completion.pieces = std::span(pieces).subspan(next, count);
    next += count;
  }
}

}  // namespace kferry::ring
