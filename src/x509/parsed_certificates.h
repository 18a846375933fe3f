// A cache of parsed certificates, by their bytes. Parsing costs libcrypto more than verifying a signature, and the same
// few clients and brokers connect again and again. Only the parse is cached, because it depends on the bytes alone.
// Trust is decided anew each time. Only for this folder. Any thread.
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
  // How many certificates are kept, the oldest being dropped first, and how large one may be.
  static constexpr std::size_t count_max = 256;
  static constexpr std::size_t size_max = 8 * 1024;

  // Like parse_x509(): null if `der` is not exactly one certificate.
  X509Ptr parse(std::span<const std::byte> der) const;
  // To be called for certificates of good chains only, so that a stranger cannot evict what others use.
  void keep(std::span<const std::byte> der, X509* certificate);

  std::size_t size() const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, X509Ptr> kept_;
  std::deque<const std::string*> order_;  // the keys of kept_, the oldest first
};

}  // namespace kferry::x509
