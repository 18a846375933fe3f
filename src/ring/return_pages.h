// Gives whole pages of anonymous memory back to the kernel; their next use maps fresh ones.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace kferry::ring {

// True if the range consists of whole pages and the kernel took them (MADV_DONTNEED).
inline bool return_pages(std::byte* at, std::size_t size) {
  constexpr std::size_t page = 4096;
  if (reinterpret_cast<std::uintptr_t>(at) % page != 0 || size % page != 0) return false;
  return ::madvise(at, size, MADV_DONTNEED) == 0;
}

}  // namespace kferry::ring
