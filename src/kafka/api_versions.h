// Limits what a client learns from ApiVersions to what kferry can forward. Bytes to bytes.
#pragma once

#include <cstdint>
#include <span>

#include "kafka/cluster_view.h"
#include "kafka/findings.h"
#include "kafka/wire.h"

namespace kferry::kafka {

// Lowers `max` of decoded APIs to what this build knows, drops ranges that do not overlap with that, and
// hides keys that only controllers use or that this build does not know. Never raises `min` (KAFKA-18659).
Bytes with_known_ranges(Findings& found, bool compact, std::span<const std::int16_t> pass_api_keys,
                        ClusterView& cluster);

}  // namespace kferry::kafka
