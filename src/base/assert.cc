#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace kferry {

void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "kferry: bug: assertion failed at %s:%d: %s\n", file, line, condition);
  std::abort();
}

}  // namespace kferry
