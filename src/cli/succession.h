// What a kferry takes over from its predecessor when it starts, and what it hands to its successor. Belongs to `run`.
#pragma once

#include <memory>

#include "base/handed_sockets.h"
#include "base/log_sink.h"
#include "cli/handed_state.h"
#include "cli/lifetime.h"
#include "cli/supervision.h"
#include "operations/control_server.h"
#include "operations/http_server.h"
#include "proxy/server.h"

namespace kferry::cli {

// What a predecessor has left for this process; empty without one.
HandedState take_state(HandedSockets& handed, LogSink& log);
// Once this process serves: a predecessor drains when it hears of it, by `report` (handed_report; -1: no predecessor).
// Closes the sockets that were not taken over.
void tell_predecessor(int report, HandedSockets& handed, LogSink& log);

// All of these outlive the result. `http` and `control` may be null; `control` is reset once a successor serves.
Lifetime::Upgrading upgrading(const std::unique_ptr<operations::HttpServer>& http,
                              std::unique_ptr<operations::ControlServer>& control, proxy::Server& server,
                              Supervision& supervision);

}  // namespace kferry::cli
