// Writes texts as JSON strings (RFC 8259). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kferry::operations {

// `text` in quotes, on one line. Every byte that is not part of well-formed UTF-8 becomes U+FFFD; what is not printable
// (operations/utf8.h) is escaped. Of at most `size_max` bytes, quotes included and at least 16: a longer one is cut
// between two characters and ends in "…(cut)".
std::string json_string(std::string_view text, std::size_t size_max = SIZE_MAX);

}  // namespace kferry::operations
