// What a client may learn from ApiVersions: only what kferry can carry. Bytes to bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kafka/cluster_view.h"
#include "kafka/findings.h"
#include "kafka/wire.h"

namespace kferry::kafka {

// Lowers `max` of decoded APIs to what this build knows, drops ranges that do not meet it, and hides the keys
// that only controllers speak or that nobody here knows. Never raises `min` (KAFKA-18659).
Bytes with_known_ranges(Findings& found, bool compact, std::span<const std::int16_t> pass_api_keys,
                        ClusterView& cluster);

// kferry's own answer to an ApiVersions above the table, a whole frame: a body of version 0 with error 35 and
// the versions of ApiVersions that it takes.
std::array<std::byte, 20> unsupported_api_versions(CorrelationId id);
// The same without any version, in the broker's name: the client asks again with version 0.
std::array<std::byte, 14> unsupported_without_ranges(CorrelationId id);

}  // namespace kferry::kafka
