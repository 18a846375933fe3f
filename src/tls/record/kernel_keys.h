// One direction's key in the kernel's form: linux/tls.h, struct tls12_crypto_info_*, for setsockopt(SOL_TLS, TLS_TX or
// TLS_RX).
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "tls/record/traffic_key.h"

namespace kferry::tls {

// The destructor wipes it.
class KernelKeys {
 public:
  explicit KernelKeys(const TrafficKey& key);
  KernelKeys(const KernelKeys&) = delete;
  KernelKeys& operator=(const KernelKeys&) = delete;
  ~KernelKeys() { wipe(bytes_); }

  std::span<const std::byte> bytes() const { return std::span(bytes_).first(size_); }

 private:
  std::array<std::byte, 64> bytes_{};
  std::size_t size_ = 0;
};

}  // namespace kferry::tls
