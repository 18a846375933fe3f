// Bytes in several pieces, consumed from the front: content to encrypt, or records as they arrived. Refers to the
// pieces and owns nothing; a copy advances independently.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

#include "base/assert.h"

namespace kferry::tls {

class Gather {
 public:
  explicit Gather(std::span<const std::byte> piece) : run_(piece), size_(piece.size()) {}
  // At most `size` bytes of the pieces.
  Gather(std::span<const iovec> pieces, std::size_t size) : pieces_(pieces) {
    for (const iovec& piece : pieces) size_ += piece.iov_len;
    size_ = std::min(size_, size);
  }
  // `head`, then what is left of `rest`, which must not have been made by this constructor.
  Gather(std::span<const std::byte> head, const Gather& rest)
      : run_(head), next_(rest.run_), pieces_(rest.pieces_), size_(head.size() + rest.size_) {
    KFERRY_ASSERT(rest.next_.empty());
  }

  std::size_t size() const { return size_; }
  // The contiguous run at the front; empty only if nothing is left.
  std::span<const std::byte> front() {
    while (run_.empty() && size_ > 0) {
      run_ = next_;
      next_ = {};
      if (!run_.empty()) break;
      run_ = {static_cast<const std::byte*>(pieces_.front().iov_base), pieces_.front().iov_len};
      pieces_ = pieces_.subspan(1);
    }
    return run_.first(std::min(run_.size(), size_));
  }
  // Passes the next `size` bytes to `each`, run by run, and consumes them. At most size(), as below.
  template <typename Each>
  void take_runs(std::size_t size, Each&& each) {
    while (size > 0) {
      const auto run = front().first(std::min(size, front().size()));
      each(run);
      run_ = run_.subspan(run.size());
      size_ -= run.size();
      size -= run.size();
    }
  }
  void skip(std::size_t size) {
    take_runs(size, [](std::span<const std::byte>) {});
  }
  // Fills `to` and consumes as much.
  void take(std::span<std::byte> to) {
    take_runs(to.size(), [&](std::span<const std::byte> run) {
      std::memcpy(to.data(), run.data(), run.size());
      to = to.subspan(run.size());
    });
  }

 private:
  std::span<const std::byte> run_;   // what is left of the piece at the front
  std::span<const std::byte> next_;  // the piece after it, if not of pieces_
  std::span<const iovec> pieces_;    // those after both
  std::size_t size_ = 0;
};

}  // namespace kferry::tls
