// The dialled host, in the form that libcrypto compares with a certificate's names. Only for this folder.
#pragma once

#include <string>
#include <string_view>

#include "x509/openssl.h"

namespace kferry::x509 {

// A wildcard matches one whole label.
extern const unsigned host_flags;

struct Host {
  // Drops brackets, an IPv6 zone and a final dot.
  explicit Host(std::string_view host);

  std::string text;  // empty: no certificate can name it
  bool is_address = false;
};

bool names(X509* certificate, const Host& host);

}  // namespace kferry::x509
