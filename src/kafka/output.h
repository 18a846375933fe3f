// Where a walker puts the bytes it has judged. A walker never copies what it lets pass: it says, in input
// order, what becomes of each input byte, and the owner of the buffers does it.
//
//   input  ──pass──▶ leaves                      inserted bytes stand where they were inserted
//          ──hold──▶ held ──release──▶ leaves
//          ──drop──▶ gone
//
// Order: pass() only while nothing is held. insert() joins what is held if anything is held, else leaves at
// once.
#pragma once

#include <cstddef>
#include <span>

namespace kferry::kafka {

class Output {
 public:
  virtual ~Output() = default;

  // The next `size` octets of input leave as they came.
  virtual void pass(std::size_t size) = 0;
  // The next `size` octets of input are kept, after what is already held.
  virtual void hold(std::size_t size) = 0;
  // The next `size` octets of input vanish.
  virtual void drop(std::size_t size) = 0;
  // Bytes of our own, copied before the call returns.
  virtual void insert(std::span<const std::byte> bytes) = 0;
  // Overwrites held octets from `offset`, counted from the first held one. The range lies within what is
  // held.
  virtual void overwrite_held(std::size_t offset, std::span<const std::byte> bytes) = 0;
  // The last `size` held octets vanish.
  virtual void cut_held(std::size_t size) = 0;
  // Everything held leaves.
  virtual void release() = 0;
};

}  // namespace kferry::kafka
