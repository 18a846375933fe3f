// Content that stands in several pieces, taken from the front.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

namespace kferry::tls {

class Gather {
 public:
  explicit Gather(std::span<const std::byte> piece)
      : one_{const_cast<std::byte*>(piece.data()), piece.size()}, pieces_(&one_, 1), size_(piece.size()) {}
  // At most `size` octets of the pieces.
  Gather(std::span<const iovec> pieces, std::size_t size) : pieces_(pieces) {
    for (const iovec& piece : pieces) size_ += piece.iov_len;
    size_ = std::min(size_, size);
  }
  Gather(const Gather&) = delete;
  Gather& operator=(const Gather&) = delete;

  std::size_t size() const { return size_; }
  // Fills `to`, which is no larger than size().
  void take(std::span<std::byte> to) {
    size_ -= to.size();
    while (!to.empty()) {
      const iovec& piece = pieces_.front();
      const std::size_t part = std::min(to.size(), piece.iov_len - at_);
      std::memcpy(to.data(), static_cast<const std::byte*>(piece.iov_base) + at_, part);
      to = to.subspan(part);
      at_ += part;
      if (at_ < piece.iov_len) continue;
      pieces_ = pieces_.subspan(1);
      at_ = 0;
    }
  }

 private:
  iovec one_{};
  std::span<const iovec> pieces_;
  std::size_t at_ = 0;  // in the first of them
  std::size_t size_ = 0;
};

}  // namespace kferry::tls
