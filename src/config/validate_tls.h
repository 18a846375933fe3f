// The TLS of one listener or one upstream: which files hold its certificates and keys, what is offered, whom
// it trusts. Looks at the text alone and opens nothing; reports everything wrong at once. validate.h calls
// it.
#pragma once

#include <optional>
#include <string>

#include "config/config.h"
#include "config/draft.h"

namespace kferry::config {

// `shared` is GATEWAY_SSL_…, for the listeners of `default`; null for the others. The listener's own `tls`
// table goes before it, group by group: certificate and key, authorities, revocations, subjects, versions,
// ciphers, curves. nullopt: the listener has no TLS, or no certificate (reported).
std::optional<ListenerTls> read_listener_tls(const DraftListener& draft, const DraftCluster& cluster,
                                             const Section* shared, SecurityProtocol protocol,
                                             Report& report);

// nullopt: the upstream has no TLS; what is set for it nevertheless is a warning.
std::optional<UpstreamTls> read_upstream_tls(const DraftCluster& cluster, SecurityProtocol protocol,
                                             Report& report);

}  // namespace kferry::config
