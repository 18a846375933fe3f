// Which connections a move from one plan to the next ends: those whose listener is gone, or tells clients other
// addresses from now on, because what they have told their clients no longer holds. Rules for new connections, such as
// certificates, and the upstream end none. Pure.
#pragma once

#include "config/config.h"
#include "proxy/plan.h"

namespace kferry::proxy {

// Whether both give every broker the same place, and the bootstrap place, too.
bool tells_the_same(const config::Listener& from, const config::Listener& to);

// Whether a connection that came to this listener of `from` continues under `to`; those that share its socket do not
// matter.
bool listener_stays(const Plan& from, const PortEntry& port, const Plan& to);
// The same for a connection that has not said yet which of the listeners on the socket it wants: all of them must stay.
bool every_listener_stays(const Plan& from, const PortEntry& port, const Plan& to);

}  // namespace kferry::proxy
