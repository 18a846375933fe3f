// The encoding of user_data: a slot with its generation, one of the ring's own purposes, or, with the top bit set, the
// token of a message from another ring (which is why a Token's kind stays below 0x8000). Never a pointer or a
// descriptor.
#pragma once

#include <cstdint>

#include "ring/ring.h"

namespace kferry::ring {

enum class Tag : std::uint8_t { operation = 1, wake = 2, cancellation = 3, probe = 4 };

constexpr std::uint64_t message_bit = 1ULL << 63;

constexpr std::uint64_t user_data(Tag tag, std::uint32_t slot = 0, std::uint16_t generation = 0) {
  return std::uint64_t{static_cast<std::uint8_t>(tag)} << 48 | std::uint64_t{generation} << 32 | slot;
}
constexpr Tag tag_of(std::uint64_t data) {
  return static_cast<Tag>(data >> 48 & 0xFF);
}
constexpr std::uint32_t slot_of(std::uint64_t data) {
  return static_cast<std::uint32_t>(data);
}
constexpr std::uint16_t generation_of(std::uint64_t data) {
  return static_cast<std::uint16_t>(data >> 32);
}

constexpr std::uint64_t message_data(Token token) {
  return message_bit | std::uint64_t{token.kind} << 48 | std::uint64_t{token.generation} << 32 | token.slot;
}
constexpr Token message_token(std::uint64_t data) {
  return Token{static_cast<std::uint32_t>(data), static_cast<std::uint16_t>(data >> 32),
               static_cast<std::uint16_t>(data >> 48 & 0x7FFF)};
}

}  // namespace kferry::ring
