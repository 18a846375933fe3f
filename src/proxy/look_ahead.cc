#include "proxy/look_ahead.h"

#include <array>
#include <cerrno>
#include <span>

#include "base/limits.h"

namespace kferry::proxy {
namespace {

// What is looked at between the records of two partitions: in a Fetch response some 60 bytes, more if transactions
// were aborted.
constexpr std::size_t peeked_size = 256;
// The end of a longer run has most likely not arrived yet.
constexpr std::uint64_t run_to_peek_max = 256 * KiB;
constexpr std::uint64_t ahead_max = 1 * MiB;

}  // namespace

LookAhead::Outcome LookAhead::look(kafka::ResponseWalker& walker, ring::Ring& ring, ring::Socket broker,
                                   std::uint64_t run_min) {
  std::array<std::byte, peeked_size> bytes;
  while (walker.can_walk_ahead()) {
    const std::uint64_t run = walker.opaque_run();
    if (run < run_min || run > run_to_peek_max || walked_ + run > ahead_max) break;
    const int size = ring.peek(broker, walked_ + run, bytes);
    if (size == -EOPNOTSUPP) return Outcome::unsupported;
    if (size <= 0) break;
    const auto walked = walker.walk_ahead(std::span(bytes).first(static_cast<std::size_t>(size)));
    if (!walked) break;
    walked_ += static_cast<std::uint32_t>(run + *walked);
  }
  return Outcome::looked;
}

}  // namespace kferry::proxy
