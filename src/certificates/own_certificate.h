// The certificates that kferry itself shows, as `kferry check` lists them. Plain data.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "x509/certificate.h"
#include "x509/identity.h"

namespace kferry::certificates {

// A certificate of kferry's own that is in use.
struct OwnCertificate {
  std::string owner;  // "listener external of cluster default", "the upstream of cluster default"
  std::string cluster;
  std::optional<std::string> listener;  // nullopt: the upstream's client certificate
  std::string where;                    // the variable or key that names it
  std::string file;                     // the path; equal to `where` if the certificate is given there itself
  x509::Certificate certificate;
  std::vector<x509::StoredKey> choices{};  // every key of its store, if there are several
};

}  // namespace kferry::certificates
