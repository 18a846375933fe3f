// Whether two configurations mean the same upstream, whatever place of a file either comes from. Pure. A file that
// both name counts as the same, whatever it holds.
#pragma once

#include "config/config.h"

namespace kferry::config {

bool same_upstream(const Upstream& one, const Upstream& other);

}  // namespace kferry::config
