// DER by hand, for stores that no tool writes.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

namespace kferry::tls {

inline std::string der(int tag, std::string_view content) {
  std::string out(1, static_cast<char>(tag));
  if (content.size() >= 0x80) out += '\x82', out += static_cast<char>(content.size() >> 8);
  return out.append(1, static_cast<char>(content.size())).append(content);
}

// The elements in `content`, each with its tag and length, which has at most 4 bytes, as openssl writes it.
inline std::vector<std::string> elements(std::string_view content) {
  std::vector<std::string> all;
  while (content.size() >= 2) {
    std::size_t size = static_cast<unsigned char>(content[1]), header = 2;
    if (size >= 0x80) {
      const std::size_t count = size & 0x7F;
      size = 0;
      for (std::size_t i = 0; i < count; ++i)
        size = size << 8 | static_cast<unsigned char>(content[header++]);
    }
    all.emplace_back(content.substr(0, header + size));
    content.remove_prefix(header + size);
  }
  return all;
}

inline std::string inside(std::string_view element) {
  const auto first = static_cast<unsigned char>(element[1]);
  return std::string(element.substr(first < 0x80 ? 2 : 2 + (first & 0x7F)));
}

}  // namespace kferry::tls
