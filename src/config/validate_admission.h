// Who may connect to a listener: its lists, and the senders of PROXY protocol headers that it believes.
#pragma once

#include "config/config.h"
#include "config/draft.h"
#include "config/report.h"

namespace kferry::config {

// Reads the lists into `listener`, whose bind address and numbers have been read. Reports what is wrong.
void read_admission(const DraftListener& draft, const DraftCluster& cluster, Listener& listener,
                    Report& report);

}  // namespace kferry::config
