// From the draft to the Config: what each setting means, setting by setting and cluster by cluster. Whatever
// is wrong is reported and a default taken, so that one pass finds everything.
#pragma once

#include "config/config.h"
#include "config/draft.h"

namespace kferry::config {

Config validate(const Draft& draft, Report& report);

// What no single setting shows: ports shared by listeners, an upstream that is kferry itself, and the
// warnings about how the ports lie in the host's and Kubernetes' ranges. `draft` gives the places.
void cross_check(const Config& config, const Draft& draft, const Sources& sources, Report& report);

}  // namespace kferry::config
