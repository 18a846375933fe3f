#include "operations/json.h"

#include <utility>

#include "operations/utf8.h"

namespace kferry::operations {
namespace {

constexpr std::string_view cut_mark = "…(cut)\"";

// The character at `at` as a string holds it, and how many bytes of the text it is.
struct Escaped {
  std::string text;
  std::size_t size = 0;
};

Escaped escaped_at(std::string_view text, std::size_t at) {
  static constexpr std::string_view digits = "0123456789abcdef";
  const auto [size, point] = utf8_at(text, at);
  if (size == 0) return {"\\ufffd", 1};
  if (point == '"' || point == '\\') return {std::string("\\") + text[at], 1};
  if (is_printable(point)) return {std::string(text.substr(at, size)), size};
  // All of these are below U+10000.
  std::string escape = "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) escape += digits[(point >> shift) & 0xFU];
  return {std::move(escape), size};
}

}  // namespace

std::string json_string(std::string_view text, std::size_t size_max) {
  std::string out = "\"";
  std::size_t fits = out.size();  // with the mark behind it
  for (std::size_t i = 0; i < text.size();) {
    const Escaped next = escaped_at(text, i);
    if (out.size() + cut_mark.size() <= size_max) fits = out.size();
    if (out.size() + next.text.size() + 1 > size_max) {
      out.resize(fits);
      return out.append(cut_mark);
    }
    out += next.text;
    i += next.size;
  }
  return out += '"';
}

}  // namespace kferry::operations
