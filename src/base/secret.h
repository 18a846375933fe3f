// Byte strings, and byte strings whose destructor zeroes their memory, for private keys and passwords.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kferry {

using Bytes = std::vector<std::byte>;

// The bytes of a text, without a copy.
inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}
// The reverse, without a copy.
inline std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Overwrites with zeros in a way that the compiler does not remove.
void wipe(std::span<std::byte> bytes);
void wipe(std::string& text);  // also empties it

// True if equal. The time depends only on the lengths.
bool equal_constant_time(std::span<const std::byte> a, std::span<const std::byte> b);

// The destructor overwrites it with zeros, also after a move.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::span<const std::byte> bytes) : bytes_(bytes.begin(), bytes.end()) {}
  // Takes the vector over, without another copy.
  explicit Secret(Bytes&& bytes) : bytes_(std::move(bytes)) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Secret& operator=(Secret other) noexcept {
    bytes_.swap(other.bytes_);
    return *this;
  }
  ~Secret() { wipe(bytes_); }

  std::span<const std::byte> bytes() const { return bytes_; }
  bool empty() const { return bytes_.empty(); }

 private:
  Bytes bytes_;
};

}  // namespace kferry
