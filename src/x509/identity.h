// A certificate with its chain and its private key, as bytes.
#pragma once

#include <vector>

#include "base/secret.h"

namespace kferry::x509 {

struct Identity {
  std::vector<Octets> chain{};  // DER, the leaf first
  Secret key{};                 // PKCS#8, or PKCS#1 and SEC 1 by algorithm; DER
};

}  // namespace kferry::x509
