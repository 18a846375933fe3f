// Whether a text is one JSON object whose members are texts: strict (RFC 8259), for what kferry itself writes.
#pragma once

#include <cstddef>
#include <string_view>

#include "operations/utf8.h"

namespace kferry::operations {

// Takes the JSON string that `text` begins with.
inline bool take_json_string(std::string_view& text) {
  if (!text.starts_with('"')) return false;
  for (std::size_t i = 1; i < text.size();) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return true;
    }
    if (text[i] == '\\') {
      if (i + 1 == text.size()) return false;
      if (text[i + 1] == 'u') {
        const std::string_view digits = text.substr(i + 2, 4);
        const bool surrogate = digits.starts_with('d') && digits.size() > 1 && digits[1] >= '8';
        if (digits.size() < 4 || surrogate ||
            digits.find_first_not_of("0123456789abcdef") != std::string_view::npos)
          return false;
        i += 6;
        continue;
      }
      if (std::string_view("\"\\/bfnrt").find(text[i + 1]) == std::string_view::npos) return false;
      i += 2;
      continue;
    }
    const Utf8 one = utf8_at(text, i);
    if (one.size == 0 || one.point < 0x20) return false;
    i += one.size;
  }
  return false;
}

// With or without a line end behind it.
inline bool is_json(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (!text.starts_with('{')) return false;
  do {
    text.remove_prefix(1);
    if (!take_json_string(text) || !text.starts_with(':')) return false;
    text.remove_prefix(1);
    if (!take_json_string(text)) return false;
  } while (text.starts_with(','));
  return text == "}";
}

}  // namespace kferry::operations
