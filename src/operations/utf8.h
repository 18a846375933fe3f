// UTF-8 (RFC 3629), one sequence at a time. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kferry::operations {

struct Utf8 {
  std::size_t size = 0;  // bytes; 0: no well-formed sequence begins there
  std::uint32_t point = 0;
};

// The sequence that begins at `at`, which is within the text. Overlong forms, surrogates and what is cut by the end of
// the text are not well-formed.
Utf8 utf8_at(std::string_view text, std::size_t at);

// Whether a reader of one line sees the character as such. Not printable: control characters (C1 among them,
// U+0080..9F); the separators U+2028/2029, which some viewers take for line ends; and the marks that change the
// direction of text (U+202A..202E, U+2066..2069), which can make a line read as another.
bool is_printable(std::uint32_t point);

}  // namespace kferry::operations
