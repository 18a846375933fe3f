// Writes texts as JSON strings (RFC 8259). Pure.
#pragma once

#include <string>
#include <string_view>

namespace kferry::operations {

// `text` in quotes. Every byte outside printable ASCII that is not part of well-formed UTF-8 becomes U+FFFD.
std::string json_string(std::string_view text);

}  // namespace kferry::operations
