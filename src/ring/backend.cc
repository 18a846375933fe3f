#include "ring/backend.h"

#include "ring/epoll_ring.h"
#include "ring/uring_ring.h"

namespace kferry::ring {

std::string_view to_string(Backend backend) {
  return backend == Backend::io_uring ? "io_uring" : "epoll";
}

std::expected<std::unique_ptr<Ring>, std::string> make_ring(Backend backend) {
  return backend == Backend::io_uring ? UringRing::create(UringOptions{}) : EpollRing::create(EpollOptions{});
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
