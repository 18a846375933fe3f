// What both fuzzers of src/kafka share: an output that checks the walker's accounting, and ways to cut input.
// Every chunk is a heap block of exactly its size, so that a sanitizer sees a walker that reads past it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "kafka/output.h"

namespace kferry::fuzz {

using Bytes = std::vector<std::byte>;

// A broken promise ends the process; that is the finding.
inline void require(bool promise) {
  if (!promise) std::abort();
}

class Leaving final : public kafka::Output {
 public:
  void begin(std::span<const std::byte> chunk) { chunk_ = chunk; }
  // The bytes of the chunk that the walker has not reported.
  std::size_t untold() const { return chunk_.size(); }

  void pass(std::size_t size) override {
    require(held.empty());
    keep(left, take(size));
  }
  void hold(std::size_t size) override { keep(held, take(size)); }
  void drop(std::size_t size) override { take(size); }
  void insert(std::span<const std::byte> bytes) override { keep(held.empty() ? left : held, bytes); }
  void overwrite_held(std::size_t offset, std::span<const std::byte> bytes) override {
    require(offset <= held.size() && bytes.size() <= held.size() - offset);
    std::copy(bytes.begin(), bytes.end(), held.begin() + static_cast<std::ptrdiff_t>(offset));
  }
  void cut_held(std::size_t size) override {
    require(size <= held.size());
    held.resize(held.size() - size);
  }
  void release() override {
    keep(left, held);
    held.clear();
  }

  Bytes left;
  Bytes held;

 private:
  static void keep(Bytes& to, std::span<const std::byte> bytes) {
    to.insert(to.end(), bytes.begin(), bytes.end());
  }
  std::span<const std::byte> take(std::size_t size) {
    require(size <= chunk_.size());
    const auto taken = chunk_.first(size);
    chunk_ = chunk_.subspan(size);
    return taken;
  }
  std::span<const std::byte> chunk_;
};

// How input is cut: all at once, a byte at a time, or by a seed.
class Cuts {
 public:
  static Cuts whole() { return Cuts(0); }
  static Cuts bytes() { return Cuts(1); }
  static Cuts seeded(std::uint8_t seed) { return Cuts(2U + seed); }

  std::size_t next(std::size_t left) {
    if (state_ < 2) return state_ == 0 ? left : std::min<std::size_t>(left, 1);
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return std::min<std::size_t>(left, 1 + (state_ >> 33) % ((state_ >> 60) < 4 ? 200 : 9));
  }

 private:
  explicit Cuts(std::uint64_t state) : state_(state) {}
  std::uint64_t state_;
};

// Feeds a heap block of its own, and checks what the walker reports of it.
template <typename Walker>
typename Walker::Walked feed(Walker& walker, Leaving& output, std::span<const std::byte> bytes) {
  const auto block = std::make_unique_for_overwrite<std::byte[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), block.get());
  output.begin({block.get(), bytes.size()});
  const auto walked = walker.feed({block.get(), bytes.size()});
  require(walked.consumed == bytes.size() - output.untold());
  if (walked.stop == Walker::Stop::input) require(walked.consumed == bytes.size());
  return walked;
}

}  // namespace kferry::fuzz
