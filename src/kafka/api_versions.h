// What a client may learn from ApiVersions: only what kferry can carry. Bytes to bytes.
#pragma once

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

}  // namespace kferry::kafka
