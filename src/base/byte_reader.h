// Reads big-endian integers and length-prefixed runs of bytes, as in TLS and JKS. Owns nothing, and checks every length
// before using it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kferry {

// Sticky: once bytes are missing, everything reads as empty and ok() is false.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }

  std::span<const std::byte> take(std::size_t size) {
    if (size > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const auto taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  // An integer of `size` bytes, at most 4.
  std::uint32_t integer(std::size_t size) {
    std::uint32_t value = 0;
    for (const std::byte byte : take(size)) value = value << 8 | std::to_integer<std::uint32_t>(byte);
    return value;
  }

  // A run of bytes after its length, which has `length_size` bytes.
  std::span<const std::byte> counted(std::size_t length_size) { return take(integer(length_size)); }

 private:
  std::span<const std::byte> rest_;
  bool ok_ = true;
};

}  // namespace kferry
