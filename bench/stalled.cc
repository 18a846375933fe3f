#include "stalled.h"

#include <sys/socket.h>

#include "frames.h"

namespace kferry::bench {
namespace {

constexpr std::int32_t requests = 128;

}  // namespace

StalledReaders::StalledReaders(const DriveOptions& options, std::size_t count) {
  if (count == 0) return;
  Frame asked;
  for (std::int32_t i = 0; i < requests; ++i) {
    Frame request = fetch_request(options.version, options.size, options.partitions);
    set_correlation_id(request, request_correlation_offset, i);
    asked.insert(asked.end(), request.begin(), request.end());
  }
  for (std::size_t i = 0; i < count; ++i) {
    connections_.push_back(connect_to(parse_address(options.server)));
    iovec piece{asked.data(), asked.size()};
    if (send_pieces(connections_.back().get(), {&piece, 1}) != asked.size())
      fail("a stalled reader's requests do not fit into an empty socket");
  }
}

}  // namespace kferry::bench
