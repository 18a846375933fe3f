// What the kernel offers and Debian 12's liburing 2.3 does not yet name, by value. Each stands behind a
// probe: nothing here is used because of a version number.
#pragma once

#include <liburing.h>

#include <cstdint>

namespace kferry::ring::abi {

// sqe->ioprio of a receive with buffer selection: fill several buffers in one completion. Linux 6.10.
inline constexpr std::uint16_t recvsend_bundle = 1U << 4;
// io_uring_params.features: the above is there.
inline constexpr std::uint32_t feature_recvsend_bundle = 1U << 14;
// Of a multishot receive: it ends once so many octets have come (`optlen`, where the header has `file_index`).
// Linux 6.17.
inline void set_multishot_total(io_uring_sqe& sqe, std::uint32_t octets) {
  sqe.file_index = octets;
}
// The one provided-buffer group of each ring: a number of ours, named here since every receive carries it.
inline constexpr std::uint32_t buffer_group = 0;

}  // namespace kferry::ring::abi
