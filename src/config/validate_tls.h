// The TLS of one listener or one upstream: which files contain its certificates and keys, what it offers, and
// which peers it trusts. Judges the text alone and opens no file; reports everything wrong at once.
#pragma once

#include <optional>

#include "config/config.h"
#include "config/draft.h"
#include "config/report.h"

namespace kferry::config {

// `shared` is GATEWAY_SSL_…, for the listeners of `default`; null for the others. The listener's own `tls`
// table takes precedence, group by group: certificate and key, authorities, revocations, subjects, versions,
// ciphers, curves. nullopt: the listener has no TLS, or its TLS is wrong (reported).
std::optional<ListenerTls> read_listener_tls(const DraftListener& draft, const DraftCluster& cluster,
                                             const Section* shared, SecurityProtocol protocol,
                                             Report& report);

// nullopt: the upstream has no TLS; settings for it are then a warning.
std::optional<UpstreamTls> read_upstream_tls(const DraftCluster& cluster, SecurityProtocol protocol,
                                             Report& report);

}  // namespace kferry::config
