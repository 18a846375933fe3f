// Kafka's primitive types: big-endian integers, unsigned varints of at most 5 octets, strings and counts in
// their classic and compact forms. Reads only where the caller has checked the length; writes to a growing
// buffer.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace kferry::kafka {

using Bytes = std::vector<std::byte>;

// Of the length in front of a frame, which does not count itself.
inline constexpr std::uint8_t length_size = 4;
// Five octets carry 35 bits; what does not fit in 32 is refused.
inline constexpr std::size_t uvarint_size_max = 5;

// Big-endian on the wire.
template <typename Integer>
constexpr Integer in_wire_order(Integer value) {
  if constexpr (std::endian::native == std::endian::little && sizeof(Integer) > 1)
    return std::byteswap(value);
  return value;
}

template <typename Integer>
Integer load(const std::byte* at) {
  Integer value;
  std::memcpy(&value, at, sizeof value);
  return in_wire_order(value);
}

template <typename Integer>
void store(std::byte* at, Integer value) {
  value = in_wire_order(value);
  std::memcpy(at, &value, sizeof value);
}

constexpr std::size_t uvarint_size(std::uint32_t value) {
  std::size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

// How many octets the uvarint at the start of `bytes` takes; they are known to hold a whole one.
inline std::size_t uvarint_width(std::span<const std::byte> bytes) {
  std::size_t size = 1;
  while ((bytes[size - 1] & std::byte{0x80}) != std::byte{0}) ++size;
  return size;
}

inline std::uint32_t load_uvarint(std::span<const std::byte> bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < uvarint_width(bytes); ++i)
    value |= std::to_integer<std::uint32_t>(bytes[i] & std::byte{0x7F}) << (7 * i);
  return value;
}

inline void append(Bytes& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

template <typename Integer>
void append_integer(Bytes& out, Integer value) {
  std::byte octets[sizeof(Integer)];
  store(octets, value);
  append(out, octets);
}

// `width` at least its own size: a wider one is written in the non-minimal form, which every client reads.
inline void append_uvarint(Bytes& out, std::uint32_t value, std::size_t width) {
  for (std::size_t i = 1; i < width; ++i, value >>= 7)
    out.push_back(static_cast<std::byte>((value & 0x7FU) | 0x80U));
  out.push_back(static_cast<std::byte>(value));
}

inline void append_uvarint(Bytes& out, std::uint32_t value) {
  append_uvarint(out, value, uvarint_size(value));
}

inline void append_string(Bytes& out, std::string_view text, bool compact) {
  if (compact)
    append_uvarint(out, static_cast<std::uint32_t>(text.size() + 1));
  else
    append_integer(out, static_cast<std::int16_t>(text.size()));
  append(out, std::as_bytes(std::span(text)));
}

inline void append_count(Bytes& out, std::uint32_t count, bool compact) {
  if (compact)
    append_uvarint(out, count + 1);
  else
    append_integer(out, static_cast<std::int32_t>(count));
}

}  // namespace kferry::kafka
