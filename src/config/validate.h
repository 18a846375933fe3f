// From the draft to the Config: what each setting means, setting by setting and cluster by cluster. Whatever
// is wrong is reported and left at its default, so that one pass finds everything.
#pragma once

#include "config/config.h"
#include "config/draft.h"
#include "config/report.h"

namespace kferry::config {

Config validate(const Draft& draft, Report& report);

// What no single setting shows: ports that listeners share, an upstream that is kferry itself, and warnings
// about ports in the host's and Kubernetes' own ranges. `draft` gives the places.
void cross_check(const Config& config, const Draft& draft, const Sources& sources, Report& report);

}  // namespace kferry::config
