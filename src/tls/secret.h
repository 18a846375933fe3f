// Octets, and octets that nobody may find in memory once they are done with: private keys.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "tls/digests.h"

namespace kferry::tls {

using Octets = std::vector<std::byte>;

// Overwritten with zeros when it goes, moved from or not.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::span<const std::byte> bytes) : bytes_(bytes.begin(), bytes.end()) {}
  // Takes the octets over: their vector leaves no second copy behind.
  explicit Secret(Octets&& bytes) : bytes_(std::move(bytes)) {}
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
  Octets bytes_;
};

}  // namespace kferry::tls
