// How much a leg's next receive asks for, and whether it is multishot. Pure.
//
// Multishot pays for many small messages; large ones are cheaper in bundles of their own. After a splice little is
// received, so that the records of the next opaque run stay in the socket.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/limits.h"

namespace kferry::connection {

class ReceivePolicy {
 public:
  // Of a receive after a splice: enough for the beginning of the next opaque run. Two of them, for the rest of the
  // frame often comes before the next frame.
  static constexpr std::size_t short_size = 4 * KiB;
  static constexpr std::uint8_t short_receives_after_splice = 2;

  // Bytes, at most `size_max`.
  std::size_t size(std::size_t size_max) const { return short_receives_ > 0 ? short_size : size_max; }
  bool multishot() const { return short_receives_ == 0 && last_ == Last::small; }
  // A receive brought so many bytes; below 0: an error. Up to `small_max` are little.
  void on_received(std::int64_t result, std::size_t small_max) {
    if (short_receives_ > 0) {
      --short_receives_;
    } else {
      last_ = result <= static_cast<std::int64_t>(small_max) ? Last::small : Last::large;
    }
  }
  void on_splice() { short_receives_ = short_receives_after_splice; }

 private:
  enum class Last : std::uint8_t { small, large };

  std::uint8_t short_receives_ = 0;  // still to come
  Last last_ = Last::small;          // what the last receive of full size brought
};

}  // namespace kferry::connection
