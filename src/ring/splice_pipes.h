// A pool of pipes for splice(2), 1 MiB each if the kernel's limits allow. Only an empty pipe returns to the pool,
// because one connection must never find another's bytes in it.
#pragma once

#include <cstddef>
#include <vector>

namespace kferry::ring {

struct Pipe {
  int read_end = -1;
  int write_end = -1;
};

class SplicePipes {
 public:
  SplicePipes() = default;
  ~SplicePipes();
  SplicePipes(const SplicePipes&) = delete;
  SplicePipes& operator=(const SplicePipes&) = delete;

  // read_end < 0 if no pipe is available: out_max are in use, or the kernel refuses.
  Pipe take();
  void give_back_empty(Pipe pipe);
  // One that is not empty.
  void destroy(Pipe pipe);

  static constexpr std::size_t pipe_size = 1024 * 1024;
  // A pipe is in use while it holds bytes, so this bounds what slow readers keep in the kernel.
  static constexpr std::size_t out_max = 64;

 private:
  static constexpr std::size_t kept_max = 8;

  std::vector<Pipe> kept_;
  std::size_t out_ = 0;
};

}  // namespace kferry::ring
