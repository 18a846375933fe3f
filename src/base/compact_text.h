// A text that takes eight bytes where it is kept, and no heap memory while it is empty: for the names that every
// connection keeps, most of which are short or absent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace kferry {

class CompactText {
  using Size = std::uint16_t;

 public:
  CompactText() = default;
  // Copies the text, or its first size_max bytes.
  explicit CompactText(std::string_view text) { *this = text; }
  CompactText& operator=(std::string_view text) {
    if (text == view()) return *this;  // a client that repeats itself costs no allocation
    const auto size = static_cast<Size>(text.size() < size_max ? text.size() : size_max);
    std::unique_ptr<char[]> bytes;  // `text` may lie in bytes_
    if (size > 0) {
      bytes = std::make_unique_for_overwrite<char[]>(sizeof size + size);
      std::memcpy(bytes.get(), &size, sizeof size);
      std::memcpy(bytes.get() + sizeof size, text.data(), size);
    }
    bytes_ = std::move(bytes);
    return *this;
  }

  // Valid until the next assignment.
  std::string_view view() const {
    if (bytes_ == nullptr) return {};
    Size size = 0;
    std::memcpy(&size, bytes_.get(), sizeof size);
    return {bytes_.get() + sizeof size, size};
  }
  bool empty() const { return bytes_ == nullptr; }

  static constexpr std::size_t size_max = UINT16_MAX;

 private:
  std::unique_ptr<char[]> bytes_;  // the size, then the text; null while the text is empty
};

}  // namespace kferry
