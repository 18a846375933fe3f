// Pipes for splice(2), 1 MiB each where the kernel's limits allow, pooled. Only an empty pipe comes back to
// the pool: another connection's octets must never be found in it.
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

  // read_end < 0 when no pipe can be had: out_max are out, or the kernel gives none.
  Pipe take();
  void give_back_empty(Pipe pipe);
  // One that is not empty.
  void destroy(Pipe pipe);

  static constexpr std::size_t pipe_size = 1024 * 1024;
  // A pipe is out while it holds octets, so this bounds what slow readers keep in the kernel.
  static constexpr std::size_t out_max = 64;

 private:
  static constexpr std::size_t kept_max = 8;

  std::vector<Pipe> kept_;
  std::size_t out_ = 0;
};

}  // namespace kferry::ring
