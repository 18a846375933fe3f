// Chooses the backend for this host: io_uring, or epoll if io_uring is forbidden. Decided by creating a ring, never by
// version number.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "ring/ring.h"

namespace kferry::ring {

enum class Backend : std::uint8_t { io_uring, epoll };

std::string_view to_string(Backend backend);

// The buffers that a ring receives into.
struct Room {
  std::size_t buffer_count = 256;  // a power of two
  std::size_t buffer_size = 16 * 1024;
};

// Creates a ring for the calling thread. The error names the reason and the remedy. `congestion_control`: what
// Ring::set_options() sets besides, as far as the kernel allows it; empty: the host's stays.
std::expected<std::unique_ptr<Ring>, std::string> make_ring(Backend backend, const Room& room = {},
                                                            const std::string& congestion_control = {});

// Why this host cannot create a ring of this backend, and what to do about it; empty if it can.
std::string refusal(Backend backend);

struct Choice {
  Backend backend = Backend::io_uring;
  std::string refusal;  // why io_uring was not chosen; empty if it was
};
Choice choose_backend();

}  // namespace kferry::ring
