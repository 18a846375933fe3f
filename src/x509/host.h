// The host that was dialled, as libcrypto compares it with a certificate's names. For the sources of this folder.
#pragma once

#include <string>
#include <string_view>

#include "x509/openssl.h"

namespace kferry::x509 {

// Wildcards stand for one whole label.
extern const unsigned host_flags;

struct Host {
  // Brackets, an IPv6 zone and a final dot are left out.
  explicit Host(std::string_view host);

  std::string text;  // empty: no certificate names it
  bool is_address = false;
};

bool names(X509* certificate, const Host& host);

}  // namespace kferry::x509
