#include "operations/json.h"

#include <cstddef>

#include "operations/utf8.h"

namespace kferry::operations {
std::string json_string(std::string_view text) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x80) {
      const std::size_t size = utf8_at(text, i).size;
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
