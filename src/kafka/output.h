// Where a walker sends the bytes that it has judged. A walker never copies what it lets pass: it says in
// input order what happens to each input byte, and the owner of the buffers does it.
//
//   input  ──pass──▶ leaves                      inserted bytes stay where they were inserted
//          ──hold──▶ held ──release──▶ leaves
//          ──drop──▶ gone
//
// pass() is called only while nothing is held. Inserted bytes join what is held, or leave at once if nothing
// is held.
#pragma once

#include <cstddef>
#include <span>

namespace kferry::kafka {

class Output {
 public:
  virtual ~Output() = default;

  // The next `size` bytes of input leave as they came.
  virtual void pass(std::size_t size) = 0;
  // The next `size` bytes of input are held, after what is held already.
  virtual void hold(std::size_t size) = 0;
  // The next `size` bytes of input are dropped.
  virtual void drop(std::size_t size) = 0;
  // Adds the walker's own bytes, copied before the call returns.
  virtual void insert(std::span<const std::byte> bytes) = 0;
  // Overwrites held bytes from `offset` on, counted from the first held byte. The range lies within what is
  // held.
  virtual void overwrite_held(std::size_t offset, std::span<const std::byte> bytes) = 0;
  // The last `size` held bytes are dropped.
  virtual void cut_held(std::size_t size) = 0;
  // Everything held leaves.
  virtual void release() = 0;
};

}  // namespace kferry::kafka
