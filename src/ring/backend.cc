#include "ring/backend.h"

#include "ring/epoll_ring.h"
#include "ring/kernel_sockets.h"
#include "ring/uring_ring.h"

namespace kferry::ring {

std::string_view to_string(Backend backend) {
  return backend == Backend::io_uring ? "io_uring" : "epoll";
}

std::expected<std::unique_ptr<Ring>, std::string> make_ring(Backend backend, const Room& room,
                                                            const std::string& congestion_control) {
  auto made = backend == Backend::io_uring
                  ? UringRing::create({.buffer_count = room.buffer_count, .buffer_size = room.buffer_size})
                  : EpollRing::create({.buffer_count = room.buffer_count, .buffer_size = room.buffer_size});
  if (made) static_cast<KernelSockets&>(**made).use_congestion_control(congestion_control);
  return made;
}

std::string refusal(Backend backend) {
  const auto made = make_ring(backend);
  return made ? std::string() : made.error();
}

Choice choose_backend() {
  std::string refused = refusal(Backend::io_uring);
  return {refused.empty() ? Backend::io_uring : Backend::epoll, std::move(refused)};
}

}  // namespace kferry::ring
