#include "base/secret.h"

#include <cstring>

namespace kferry {

void wipe(std::span<std::byte> bytes) {
  if (!bytes.empty()) explicit_bzero(bytes.data(), bytes.size());
}

void wipe(std::string& text) {
  if (!text.empty()) explicit_bzero(text.data(), text.size());
  text.clear();
}

bool equal_constant_time(std::span<const std::byte> a, std::span<const std::byte> b) {
  if (a.size() != b.size()) return false;
  std::byte difference{0};
  for (std::size_t i = 0; i < a.size(); ++i) difference |= a[i] ^ b[i];
  // Keeps the compiler from leaving the loop at the first difference.
  asm volatile("" : "+r"(difference));
  return difference == std::byte{0};
}

}  // namespace kferry
