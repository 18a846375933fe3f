// Assertions about our own code, also enabled in release builds: a broken invariant ends the process and reports its
// location, because continuing could forward corrupt bytes. Never used on input from outside.
#pragma once

namespace kferry {
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);
}

#define KFERRY_ASSERT(condition)                     \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::kferry::assertion_failed(#condition, __FILE__, __LINE__))
