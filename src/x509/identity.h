// A certificate with its chain and its private key, as bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/secret.h"

namespace kferry::x509 {

// One of the keys of a store with several.
struct StoredKey {
  std::string alias;    // its name in the store, or its position, from 1
  std::string subject;  // of its certificate, RFC 2253; empty if there is none
  bool chosen = false;
};

struct Identity {
  std::vector<Bytes> chain{};        // DER, the leaf first
  Secret key{};                      // PKCS#8, DER
  std::vector<StoredKey> choices{};  // every key of its store, if there are several; otherwise empty
  // Unix time: when another certificate of the store becomes valid and may replace this one; 0: never.
  std::int64_t choose_again_s = 0;
};

}  // namespace kferry::x509
