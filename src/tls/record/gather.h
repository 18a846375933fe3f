// Bytes that stand in several pieces, taken from the front: content to be encrypted, or records as they came. Refers
// to the pieces and owns nothing; a copy goes its own way through them.
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
  // `head`, and then what `rest` has left, which must not be such a pair itself.
  Gather(std::span<const std::byte> head, const Gather& rest)
      : run_(head), next_(rest.run_), pieces_(rest.pieces_), size_(head.size() + rest.size_) {
    KFERRY_ASSERT(rest.next_.empty());
  }

  std::size_t size() const { return size_; }
  // The run at the front; empty only when nothing is left.
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
  // Gives the next `size` bytes to `each`, run by run. No more than size(), as below.
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
  // Fills `to`.
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
