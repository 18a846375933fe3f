// A vector of bytes that takes eight bytes where it is kept while it is empty: for what every connection may need, and
// few do at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace kferry {

class LazyBytes {
 public:
  bool empty() const { return bytes_ == nullptr || bytes_->empty(); }
  std::size_t size() const { return bytes_ == nullptr ? 0 : bytes_->size(); }
  const std::byte* data() const { return bytes_ == nullptr ? nullptr : bytes_->data(); }
  std::span<const std::byte> view() const { return {data(), size()}; }
  // Valid until reset().
  std::vector<std::byte>& vector() {
    if (bytes_ == nullptr) bytes_ = std::make_unique<std::vector<std::byte>>();
    return *bytes_;
  }
  // Frees its memory.
  void reset() { bytes_.reset(); }

 private:
  std::unique_ptr<std::vector<std::byte>> bytes_;
};

}  // namespace kferry
