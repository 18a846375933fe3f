// Which backend serves on this host: io_uring, or epoll where that is forbidden. Found by making a ring, never by
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

// What it receives into.
struct Room {
  std::size_t buffer_count = 256;  // a power of two
  std::size_t buffer_size = 16 * 1024;
};

// A ring for the calling thread. The error names the reason and the remedy.
std::expected<std::unique_ptr<Ring>, std::string> make_ring(Backend backend, const Room& room = {});

// Why no ring of this backend can be made here, and what to do about it; empty where one can.
std::string refusal(Backend backend);

struct Choice {
  Backend backend = Backend::io_uring;
  std::string refusal;  // io_uring's, where it is not the one
};
Choice choose_backend();

}  // namespace kferry::ring
