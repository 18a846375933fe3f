// Certificates that were parsed before, by their bytes. Parsing one costs libcrypto more than verifying its signature,
// and the same few clients and brokers connect again and again. Only a parse is kept, which the bytes alone decide:
// whether a certificate is trusted is judged anew each time. For the sources of this folder. Any thread.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>

#include "x509/openssl.h"

namespace kferry::x509 {

class ParsedCertificates {
 public:
  // At most this many are kept, the oldest go first; and none larger than that many bytes.
  static constexpr std::size_t count_max = 256;
  static constexpr std::size_t size_max = 8 * 1024;

  // As parse_x509(): null where `der` is not exactly one certificate.
  X509Ptr parse(std::span<const std::byte> der) const;
  // For certificates of good chains, so that a stranger cannot replace what others use.
  void keep(std::span<const std::byte> der, X509* certificate);

  std::size_t size() const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, X509Ptr> kept_;
  std::deque<const std::string*> order_;  // the keys of kept_, the oldest first
};

}  // namespace kferry::x509
