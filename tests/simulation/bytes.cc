// Kafka's primitives by hand; see bytes.h.
#include "bytes.h"

#include <cstring>

namespace kferry::simulation {

std::string filler(std::uint64_t key, std::size_t size) {
  std::string bytes(size, '\0');
  std::uint64_t state = key * 0x9E3779B97F4A7C15U + 1;
  for (std::size_t at = 0; at < size; at += 8) {
    state += 0x9E3779B97F4A7C15U;
    std::uint64_t mixed = (state ^ (state >> 30U)) * 0xBF58476D1CE4E5B9U;
    mixed ^= mixed >> 27U;
    std::memcpy(bytes.data() + at, &mixed, std::min<std::size_t>(8, size - at));
  }
  return bytes;
}

void Writer::number(std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    out_.push_back(static_cast<char>(static_cast<unsigned char>(value >> shift)));
}

void Writer::uvarint(std::uint32_t value) {
  for (; value > 0x7F; value >>= 7U) out_.push_back(static_cast<char>((value & 0x7FU) | 0x80U));
  out_.push_back(static_cast<char>(value));
}

void Writer::count(std::size_t elements, bool compact) {
  if (compact) {
    uvarint(static_cast<std::uint32_t>(elements) + 1);
  } else {
    i32(static_cast<std::int32_t>(elements));
  }
}

void Writer::string(std::optional<std::string_view> text, bool compact) {
  if (compact) {
    uvarint(text ? static_cast<std::uint32_t>(text->size()) + 1 : 0);
  } else {
    i16(text ? static_cast<int>(text->size()) : -1);
  }
  if (text) raw(*text);
}

std::string Writer::frame() const {
  Writer whole;
  whole.i32(static_cast<std::int32_t>(out_.size()));
  whole.raw(out_);
  return whole.take();
}

std::uint64_t number_at(std::string_view bytes, std::size_t at, int size) {
  std::uint64_t value = 0;
  for (int i = 0; i < size; ++i)
    value = value << 8U | static_cast<unsigned char>(bytes[at + static_cast<std::size_t>(i)]);
  return value;
}

}  // namespace kferry::simulation
