// The checks of name constraints that libcrypto omits (RFC 5280 §4.2.1.10). Only for this folder.
#pragma once

#include <span>

#include "x509/openssl.h"

namespace kferry::x509 {

// X509_V_OK, or the X509_V_ERR_… for which a path must be refused although libcrypto accepts it: malformed names, which
// cannot be compared; a wildcard that includes an excluded host (CVE-2025-61727); a wildcard in a common name that
// serves as a host name; constraints without any subtree. `path` begins with the leaf and ends with the anchor. `depth`
// is set to the certificate at fault.
int check_name_constraints(std::span<X509* const> path, int& depth);

}  // namespace kferry::x509
