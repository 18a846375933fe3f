// Fuzzes the JKS parser: stores, digests, and the keys inside. It must neither crash nor give more bytes than it was
// given.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "x509/jks.h"

using namespace kferry;
using namespace kferry::x509;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);
int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto file = std::as_bytes(std::span(bytes, size));
  (void)read_jks(file, "changeit");
  if (const auto store = read_jks(file, std::nullopt)) {
    std::size_t total = 0;
    for (const JksTrusted& one : store->trusted) total += one.certificate.size() + one.alias.size();
    for (const JksKey& key : store->keys) {
      total += key.protected_key.size() + key.alias.size();
      for (const Bytes& der : key.chain) total += der.size();
      const auto plain = unprotect_jks_key(key.protected_key, "changeit");
      if (plain && plain->bytes().size() >= key.protected_key.size()) std::abort();
    }
    if (total > size) std::abort();
  }
  // An input of its own, so that the key's form is reached without the store's.
  (void)unprotect_jks_key(file, "changeit");
  return 0;
}
