// What `check` says of the certificates that are in use: a table, and what will soon be wrong or what clients
// will not accept.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "certificates/tls_contexts.h"
#include "config/config.h"
#include "config/load.h"

namespace kferry::cli {

std::string certificates_text(std::span<const certificates::OwnCertificate> certificates);

// A certificate that ends within 30 days of `now_s`, and one that does not name the host that clients are
// told: they verify it by that name.
std::vector<config::Problem> certificate_warnings(const config::Config& config,
                                                  std::span<const certificates::OwnCertificate> certificates,
                                                  std::int64_t now_s);

}  // namespace kferry::cli
