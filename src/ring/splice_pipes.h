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

  // read_end < 0 when no pipe can be had (errno says why).
  Pipe take();
  void give_back_empty(Pipe pipe);
  static void destroy(Pipe pipe);

  static constexpr std::size_t pipe_size = 1024 * 1024;

 private:
  static constexpr std::size_t kept_max = 8;

  std::vector<Pipe> kept_;
};

}  // namespace kferry::ring
