// Writes Kafka's primitive types, classic or compact by the message's version. Grows its own buffer; for
// benchmarks and the fake broker only (the proxy never writes whole messages).
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace kferry::bench {

using Frame = std::vector<std::byte>;  // whole, with its 4-byte length

class WireWriter {
 public:
  explicit WireWriter(bool flexible) : flexible_(flexible) {}

  template <std::signed_integral Integer>
  WireWriter& integer(Integer value) {
    for (std::size_t shift = sizeof(Integer) * 8; shift > 0; shift -= 8)
      bytes_.push_back(static_cast<std::byte>(value >> (shift - 8)));
    return *this;
  }
  WireWriter& i8(std::int8_t value) { return integer(value); }
  WireWriter& i16(std::int16_t value) { return integer(value); }
  WireWriter& i32(std::int32_t value) { return integer(value); }
  WireWriter& i64(std::int64_t value) { return integer(value); }

  WireWriter& uvarint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<std::byte>((value & 0x7F) | 0x80));
    bytes_.push_back(static_cast<std::byte>(value));
    return *this;
  }
  WireWriter& raw(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  // int16 length, or compact.
  WireWriter& str(std::string_view text) {
    if (flexible_) return uvarint(text.size() + 1).raw(std::as_bytes(std::span(text)));
    return classic_str(text);
  }
  // A client id is classic even where the rest is flexible.
  WireWriter& classic_str(std::string_view text) {
    return i16(static_cast<std::int16_t>(text.size())).raw(std::as_bytes(std::span(text)));
  }
  WireWriter& null_str() { return flexible_ ? uvarint(0) : i16(-1); }
  // int32 length, or compact.
  WireWriter& blob(std::span<const std::byte> bytes) { return array(bytes.size()).raw(bytes); }
  WireWriter& array(std::size_t count) {
    return flexible_ ? uvarint(count + 1) : i32(static_cast<std::int32_t>(count));
  }
  WireWriter& null_array() { return flexible_ ? uvarint(0) : i32(-1); }
  WireWriter& uuid(std::uint8_t fill) {
    bytes_.insert(bytes_.end(), 16, static_cast<std::byte>(fill));
    return *this;
  }
  // The empty tag section that ends every structure of a flexible version.
  WireWriter& tags() { return flexible_ ? uvarint(0) : *this; }

  std::size_t size() const { return bytes_.size(); }
  Frame take_frame() {
    Frame frame;
    WireWriter length(false);
    length.i32(static_cast<std::int32_t>(bytes_.size()));
    frame.reserve(bytes_.size() + 4);
    frame.insert(frame.end(), length.bytes_.begin(), length.bytes_.end());
    frame.insert(frame.end(), bytes_.begin(), bytes_.end());
    return frame;
  }

 private:
  bool flexible_;
  std::vector<std::byte> bytes_;
};

}  // namespace kferry::bench
