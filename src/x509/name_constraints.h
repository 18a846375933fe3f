// What libcrypto leaves undone about name constraints (RFC 5280 §4.2.1.10). For the sources of this folder.
#pragma once

#include <span>

#include "x509/openssl.h"

namespace kferry::x509 {

// X509_V_OK, or why a path that libcrypto accepts must not be, as X509_V_ERR_…: names that cannot be compared, because
// they are malformed; a wildcard that means an excluded host (CVE-2025-61727); a wildcard in a common name that serves as
// a host name; constraints without any subtree. `path` begins with the leaf and ends with the anchor; `depth` is the
// certificate that is to blame.
int check_name_constraints(std::span<X509* const> path, int& depth);

}  // namespace kferry::x509
