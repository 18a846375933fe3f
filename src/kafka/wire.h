// Kafka's primitive types: big-endian integers, unsigned varints of at most 5 bytes, strings and counts in
// their classic and compact encodings. The caller checks lengths before reading; writing appends to a vector.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "base/secret.h"

namespace kferry::kafka {

using kferry::Bytes;

// Size of the length in front of a frame. The length does not include itself.
inline constexpr std::uint8_t length_size = 4;
// Five bytes carry 35 bits; values beyond 32 bits are refused.
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

// The encoded size of the uvarint at the start of `bytes`, which are known to contain a whole one.
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
  std::byte bytes[sizeof(Integer)];
  store(bytes, value);
  append(out, bytes);
}

// `width` is at least uvarint_size(value). A wider, non-minimal encoding is valid, and every client reads it.
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
