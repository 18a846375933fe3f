// The sockets that accept clients now, so that they can be handed to a successor. Kept by the first worker's acceptor.
//
// Thread safety: every function may be called from any thread.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <expected>
#include <mutex>
#include <vector>

#include "ring/ring.h"

namespace kferry::proxy {

class ListeningSockets {
 public:
  void add(ring::Socket socket) {
    const std::scoped_lock lock(mutex_);
    sockets_.push_back(socket);
  }
  // Before the socket is closed.
  void remove(ring::Socket socket) {
    const std::scoped_lock lock(mutex_);
    std::erase(sockets_, socket);
  }
  // Descriptors of the same sockets, which the caller closes; closed on exec. An errno if the host has no more.
  std::expected<std::vector<int>, int> duplicates() const {
    const std::scoped_lock lock(mutex_);
    std::vector<int> copies;
    for (const ring::Socket socket : sockets_) {
      const int copy = ::fcntl(static_cast<int>(socket), F_DUPFD_CLOEXEC, 0);
      if (copy < 0) {
        const int error = errno;
        for (const int one : copies) ::close(one);
        return std::unexpected(error);
      }
      copies.push_back(copy);
    }
    return copies;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<ring::Socket> sockets_;
};

}  // namespace kferry::proxy
