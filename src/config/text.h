// Trimming, splitting and quoting the text of settings. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kferry::config {

std::string_view trim(std::string_view text);
// The secret in a file: its text without one final LF or CRLF, which editors and `echo` add.
std::string_view without_line_end(std::string_view text);
std::string upper(std::string_view text);
// Splits at `separator`, trims each part and keeps empty ones. Blank text has no parts.
std::vector<std::string> split(std::string_view text, char separator);
std::string join(std::span<const std::string> parts, std::string_view separator);
// Decimal digits with an optional minus; nullopt unless they are the whole text.
std::optional<std::int64_t> parse_integer(std::string_view text);
// How messages show a value: in quotes, control characters replaced, at most 80 bytes.
std::string quoted(std::string_view text);

}  // namespace kferry::config
