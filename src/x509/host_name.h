// Whether a certificate's names are those of the host that was dialled (RFC 6125, RFC 2818 as Java's HTTPS
// rule), and globs over subjects. Pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"

namespace kferry::x509 {

struct CertificateNames {
  std::string subject;                 // RFC 2253, as Java and Kafka's principals write it
  std::string common_name;             // the most specific one; empty if there is none
  std::vector<std::string> dns_names;  // subjectAltName
  std::vector<Octets> addresses;       // subjectAltName, 4 or 16 octets each
};

// `host` is a name or an address literal. The common name counts only where there is no DNS name, and never
// for an address. A `*` stands for the whole leftmost label, below a name of at least two labels.
bool names_host(const CertificateNames& names, std::string_view host);

// `*` stands for any run of characters; letters' case counts.
bool matches_glob(std::string_view glob, std::string_view text);

}  // namespace kferry::x509
