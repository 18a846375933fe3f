// The network's part of `kferry check --dial`: asks every bootstrap server of every cluster, dials every broker that
// they list as the proxy would, and says what cannot work. Blocks; what it finds goes to stdout, a line each.
//
//   resolve the servers ─▶ look at each of their addresses ─▶ compare their lists ─▶ look at every listed broker
//                                                                                └─▶ which port clients are told
//
// A broker is dialled through TLS where the upstream has it, and asked for ApiVersions, which it answers before SASL.
// The list of brokers needs SASL where the upstream has it, with the credentials that are configured.
#pragma once

#include <chrono>

#include "certificates/tls_contexts.h"
#include "config/config.h"
#include "net/resolver.h"

namespace kferry::cli {

// False: something cannot work, and an error says so. Nothing is dialled any more `limit` after the call. `tls` is
// loaded.
bool dial_check(const config::Config& config, const certificates::TlsContexts& tls, net::Resolver& resolver,
                std::chrono::seconds limit);

}  // namespace kferry::cli
