// Small pure functions on text that the loader's parts share.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kferry::config {

std::string_view trim(std::string_view text);
// What a file with a secret means: its text without one LF or CRLF at the end, which editors and `echo` leave there.
std::string_view without_line_end(std::string_view text);
std::string lower(std::string_view text);
std::string upper(std::string_view text);
// Split at `separator`, each part trimmed, empty parts kept; an empty text gives no part.
std::vector<std::string> split(std::string_view text, char separator);
std::string join(std::span<const std::string> parts, std::string_view separator);
// Decimal digits with an optional minus, the whole text.
std::optional<std::int64_t> parse_integer(std::string_view text);
// What a message may show of a value: printable, at most 80 characters, in quotes.
std::string quoted(std::string_view text);

}  // namespace kferry::config
