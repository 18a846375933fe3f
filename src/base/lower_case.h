// ASCII letters in lower case, whatever the locale: host names and words of configurations compare so (RFC 4343).
#pragma once

#include <string>
#include <string_view>

namespace kferry {

inline std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

}  // namespace kferry
