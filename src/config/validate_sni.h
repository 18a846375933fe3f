// The names of a listener that routes by SNI: from the patterns that were written to names that clients can
// send.
#pragma once

#include <optional>

#include "config/draft.h"
#include "config/report.h"
#include "config/sni.h"

namespace kferry::config {

// nullopt: the names are missing or wrong (reported). Names that Java clients do not send are warnings.
std::optional<SniNames> read_sni_names(const DraftListener& draft, const DraftCluster& cluster,
                                       Report& report);

}  // namespace kferry::config
