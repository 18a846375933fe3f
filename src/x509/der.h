// Walks DER (X.690): one element after the other of a run of octets. Owns nothing; every length is checked
// before it is used. Definite lengths below 2^32 and one-octet tags only, which is all that certificates and
// keys use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kferry::x509 {

namespace tag {
inline constexpr unsigned boolean = 0x01, integer = 0x02, bit_string = 0x03, octet_string = 0x04, null = 0x05;
inline constexpr unsigned object_id = 0x06, utf8 = 0x0C, printable = 0x13, teletex = 0x14, ia5 = 0x16;
inline constexpr unsigned utc_time = 0x17, general_time = 0x18, bmp = 0x1E, sequence = 0x30, set = 0x31;
// [n], primitive or constructed
constexpr unsigned implicit(unsigned number) {
  return 0x80 | number;
}
constexpr unsigned explicitly(unsigned number) {
  return 0xA0 | number;
}
}  // namespace tag

struct DerElement {
  unsigned tag = 0;  // 0: there was none
  std::span<const std::byte> content;
  std::span<const std::byte> whole;  // with its tag and length
};

// Sticky: once an element is malformed, or not the one expected, ok() is false and everything reads as empty.
class Der {
 public:
  explicit Der(std::span<const std::byte> octets) : rest_(octets) {}

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  std::span<const std::byte> rest() const { return rest_; }

  // The tag of the next element, 0 at the end.
  unsigned peek() const { return rest_.empty() ? 0 : std::to_integer<unsigned>(rest_[0]); }

  DerElement any() {
    if (rest_.size() < 2) return fail();
    const unsigned found = std::to_integer<unsigned>(rest_[0]);
    if ((found & 0x1F) == 0x1F) return fail();
    std::size_t length = std::to_integer<std::size_t>(rest_[1]);
    std::size_t header = 2;
    if (length >= 0x80) {
      const std::size_t size = length & 0x7F;
      if (size == 0 || size > 4 || rest_.size() < header + size) return fail();
      length = 0;
      for (std::size_t i = 0; i < size; ++i)
        length = length << 8 | std::to_integer<std::size_t>(rest_[header + i]);
      header += size;
    }
    if (length > rest_.size() - header) return fail();
    const DerElement element{found, rest_.subspan(header, length), rest_.first(header + length)};
    rest_ = rest_.subspan(header + length);
    return element;
  }

  // The content of the next element, which must have this tag.
  std::span<const std::byte> content(unsigned expected) {
    if (peek() != expected) {
      fail();
      return {};
    }
    return any().content;
  }

 private:
  DerElement fail() {
    ok_ = false;
    rest_ = {};
    return {};
  }

  std::span<const std::byte> rest_;
  bool ok_ = true;
};

}  // namespace kferry::x509
