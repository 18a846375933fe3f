#include "base/slab.h"

#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define KFERRY_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KFERRY_ASAN 1
#endif
#endif
#ifdef KFERRY_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif

namespace kferry {

void* map_slab_block() {
  // Twice the size holds an aligned block wherever the kernel puts it; what lies around the block is unmapped.
  constexpr std::size_t mapped = 2 * slab_block_size;
  void* memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  auto* begin = static_cast<std::byte*>(memory);
  const std::size_t before =
      (slab_block_size - reinterpret_cast<std::uintptr_t>(begin)) & (slab_block_size - 1);
  auto* block = begin + before;
  if (before > 0) munmap(begin, before);
  if (before < slab_block_size) munmap(block + slab_block_size, slab_block_size - before);
#ifdef KFERRY_ASAN
  __lsan_register_root_region(block, slab_block_size);
#endif
  return block;
}

void unmap_slab_block(void* block) {
#ifdef KFERRY_ASAN
  __lsan_unregister_root_region(block, slab_block_size);
#endif
  munmap(block, slab_block_size);
}

void forbid_bytes([[maybe_unused]] void* at, [[maybe_unused]] std::size_t size) {
#ifdef KFERRY_ASAN
  __asan_poison_memory_region(at, size);
#endif
}

void allow_bytes([[maybe_unused]] void* at, [[maybe_unused]] std::size_t size) {
#ifdef KFERRY_ASAN
  __asan_unpoison_memory_region(at, size);
#endif
}

}  // namespace kferry
