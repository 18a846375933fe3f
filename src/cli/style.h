// Colours for a person at a terminal; none for a pipe, or where NO_COLOR is set (no-color.org).
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace kferry::cli {

bool colours_wanted(std::FILE* stream);

enum class Colour : unsigned char { red, green, yellow, bold };
// The text in the colour, or as it is.
std::string paint(bool wanted, Colour colour, std::string_view text);

}  // namespace kferry::cli
