#include "operations/utf8.h"

namespace kferry::operations {

Utf8 utf8_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(at);
  if (first < 0x80) return {1, first};
  Utf8 sequence;
  std::uint32_t least = 0;
  if ((first & 0xE0) == 0xC0) {
    sequence = {2, first & 0x1F}, least = 0x80;
  } else if ((first & 0xF0) == 0xE0) {
    sequence = {3, first & 0x0F}, least = 0x800;
  } else if ((first & 0xF8) == 0xF0) {
    sequence = {4, first & 0x07}, least = 0x10000;
  } else {
    return {};
  }
  if (at + sequence.size > text.size()) return {};
  for (std::size_t i = 1; i < sequence.size; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return {};
    sequence.point = (sequence.point << 6) | (byte(at + i) & 0x3FU);
  }
  const bool surrogate = sequence.point >= 0xD800 && sequence.point <= 0xDFFF;
  return sequence.point < least || sequence.point > 0x10FFFF || surrogate ? Utf8{} : sequence;
}

bool is_printable(std::uint32_t point) {
  const bool control = point < 0x20 || (point >= 0x7F && point < 0xA0);
  const bool misleading = (point >= 0x2028 && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069);
  return !control && !misleading;
}

}  // namespace kferry::operations
