// What callgrind and the count of allocations see, and what they do not.
#pragma once

#include <valgrind/callgrind.h>

#include <cstdint>

namespace kferry::bench {

// Of this program's one thread, by operator new, while counting.
inline std::uint64_t allocations = 0;
inline bool counting = false;

// Callgrind starts without counting (--collect-atstart=no) and turns over at each request.
class Counted {
 public:
  Counted() {
    counting = true;
    CALLGRIND_TOGGLE_COLLECT;
  }
  ~Counted() {
    CALLGRIND_TOGGLE_COLLECT;
    counting = false;
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
};

// Within a Counted, or without.
class Uncounted {
 public:
  Uncounted() : was_(counting) {
    if (was_) CALLGRIND_TOGGLE_COLLECT;
    counting = false;
  }
  ~Uncounted() {
    counting = was_;
    if (was_) CALLGRIND_TOGGLE_COLLECT;
  }
  Uncounted(const Uncounted&) = delete;
  Uncounted& operator=(const Uncounted&) = delete;

 private:
  const bool was_;
};

}  // namespace kferry::bench
