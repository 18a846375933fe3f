// Kernel constants that Debian 12's liburing 2.3 does not name yet, by value. Each is used only after a probe, never
// because of a version number.
#pragma once

#include <liburing.h>

#include <cstdint>

namespace kferry::ring::abi {

// sqe->ioprio of a receive with buffer selection: fill several buffers in one completion. Linux 6.10.
inline constexpr std::uint16_t recvsend_bundle = 1U << 4;
// io_uring_params.features: the kernel has receive bundles.
inline constexpr std::uint32_t feature_recvsend_bundle = 1U << 14;
// Makes a multishot receive end after this many bytes: the kernel's `optlen`, which older headers call `file_index`.
// Linux 6.17.
inline void set_multishot_total(io_uring_sqe& sqe, std::uint32_t bytes) {
  sqe.file_index = bytes;
}
// The one provided-buffer group of each ring. The number is ours; it is here because every receive carries it.
inline constexpr std::uint32_t buffer_group = 0;

}  // namespace kferry::ring::abi
