#include "base/assert.h"

#include <array>
#include <cstdio>
#include <cstdlib>

#include "base/last_words.h"

namespace kferry {

void assertion_failed(const char* condition, const char* file, int line) {
  std::array<char, 1024> text{};
  std::snprintf(text.data(), text.size(), "kferry: bug: assertion failed at %s:%d: %s\n", file, line,
                condition);
  last_words(text.data());
  std::abort();
}

}  // namespace kferry
