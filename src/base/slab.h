// Memory for objects of one type that come and go by the thousand. They lie side by side in blocks of their own, away
// from the heap: short-lived objects around them leave no holes between them, and a block whose objects are all gone
// returns to the kernel, except for the last one.
//
//   block: [ header │ cell │ cell │ … ]   aligned to its own size, so that a cell's address leads to its block
//
// One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "base/assert.h"

namespace kferry {

// Bytes of a block, which is also its alignment.
inline constexpr std::size_t slab_block_size = std::size_t{64} * 1024;

// Maps a block from the kernel; its pages cost memory once they are touched. Throws std::bad_alloc.
void* map_slab_block();
void unmap_slab_block(void* block);
// Under AddressSanitizer, makes a use of the bytes an error or allowed again. Does nothing otherwise.
void forbid_bytes(void* at, std::size_t size);
void allow_bytes(void* at, std::size_t size);

template <class T>
class Slab {
 public:
  Slab() = default;
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  // Every object has been destroyed.
  ~Slab() {
    KFERRY_ASSERT(objects_ == 0);
    while (with_room_ != nullptr) drop(with_room_);
  }

  // Throws what the constructor throws, and std::bad_alloc.
  template <class... Arguments>
  T* make(Arguments&&... arguments) {
    Block* block = with_room_ != nullptr ? with_room_ : add_block();
    Cell* cell = block->free;
    if (cell != nullptr) {
      allow_bytes(cell, sizeof(Cell));
      block->free = cell->next_free;
    } else {
      cell = block->cells() + block->touched++;
      allow_bytes(cell, sizeof(Cell));
    }
    if (++block->used == cells_per_block) unlink(block);
    ++objects_;
    try {
      return ::new (static_cast<void*>(cell)) T(std::forward<Arguments>(arguments)...);
    } catch (...) {
      give_back(cell);
      throw;
    }
  }

  void destroy(T* object) {
    object->~T();
    give_back(reinterpret_cast<Cell*>(object));
  }

  std::size_t size() const { return objects_; }

 private:
  union alignas(T) Cell {
    Cell* next_free;
    std::byte object[sizeof(T)];
  };
  struct Block {
    Block* previous = nullptr;  // among those with room
    Block* next = nullptr;
    Cell* free = nullptr;       // given back
    std::uint32_t touched = 0;  // cells from here on were never used
    std::uint32_t used = 0;

    Cell* cells() { return reinterpret_cast<Cell*>(reinterpret_cast<std::byte*>(this) + first_cell); }
  };
  static constexpr std::size_t first_cell =
      (sizeof(Block) + alignof(Cell) - 1) / alignof(Cell) * alignof(Cell);
  static constexpr std::uint32_t cells_per_block = (slab_block_size - first_cell) / sizeof(Cell);
  static_assert(cells_per_block >= 2);

  Block* add_block() {
    void* memory = map_slab_block();
    auto* block = ::new (memory) Block;
    forbid_bytes(block->cells(), slab_block_size - first_cell);
    link(block);
    return block;
  }

  void give_back(Cell* cell) {
    auto* block = reinterpret_cast<Block*>(reinterpret_cast<std::uintptr_t>(cell) & ~(slab_block_size - 1));
    cell->next_free = block->free;
    block->free = cell;
    forbid_bytes(cell, sizeof(Cell));
    --objects_;
    if (block->used-- == cells_per_block) link(block);
    // Another block has room, so that one object that comes and goes maps nothing.
    if (block->used == 0 && (block->previous != nullptr || block->next != nullptr)) drop(block);
  }

  void link(Block* block) {
    block->previous = nullptr;
    block->next = with_room_;
    if (with_room_ != nullptr) with_room_->previous = block;
    with_room_ = block;
  }
  void unlink(Block* block) {
    (block->previous != nullptr ? block->previous->next : with_room_) = block->next;
    if (block->next != nullptr) block->next->previous = block->previous;
    block->previous = block->next = nullptr;
  }
  void drop(Block* block) {
    unlink(block);
    allow_bytes(block, slab_block_size);
    unmap_slab_block(block);
  }

  Block* with_room_ = nullptr;
  std::size_t objects_ = 0;
};

}  // namespace kferry
