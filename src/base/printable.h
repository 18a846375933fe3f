// Text from outside, made safe for a log line or a terminal. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace kferry {

// At most the first `size_max` bytes, with every byte outside printable ASCII replaced by '?'.
std::string printable_ascii(std::string_view text, std::size_t size_max = std::string_view::npos);

// Replaces ASCII's control characters, which could steer a terminal, by '?'. UTF-8 stays.
std::string without_controls(std::string_view text);

}  // namespace kferry
