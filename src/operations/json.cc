#include "operations/json.h"

#include <cstddef>
#include <cstdint>

namespace kferry::operations {
namespace {

// The size of the well-formed UTF-8 sequence of two bytes or more at `at`; 0 if there is none.
std::size_t sequence_size(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> std::uint32_t { return static_cast<unsigned char>(text[i]); };
  const std::uint32_t first = byte(at);
  const std::size_t size = first >= 0xF0 && first < 0xF8   ? 4
                           : first >= 0xE0 && first < 0xF0 ? 3
                           : first >= 0xC2 && first < 0xE0 ? 2
                                                           : 0;
  if (size == 0 || at + size > text.size()) return 0;
  std::uint32_t point = first & (0xFFU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(at + i) & 0xC0U) != 0x80U) return 0;
    point = (point << 6U) | (byte(at + i) & 0x3FU);
  }
  const bool too_long = (size == 3 && point < 0x800) || (size == 4 && point < 0x10000);
  return too_long || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF) ? 0 : size;
}

}  // namespace

std::string json_string(std::string_view text) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x80) {
      const std::size_t size = sequence_size(text, i);
      out += size == 0 ? std::string_view("\\ufffd") : text.substr(i, size);
      i += size == 0 ? 1 : size;
      continue;
    }
    if (byte == '"' || byte == '\\') out += '\\';
    if (byte < 0x20 || byte == 0x7F) {
      out += "\\u00";
      out += digits[byte >> 4U];
      out += digits[byte & 0xFU];
    } else {
      out += text[i];
    }
    ++i;
  }
  return out += '"';
}

}  // namespace kferry::operations
