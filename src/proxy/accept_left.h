// What still waits in a listening socket's queue once no operation is outstanding on it.
#pragma once

#include <sys/socket.h>

#include "ring/ring.h"

namespace kferry::proxy {

// The next connection, without waiting, or a negative number. A socket of the simulation is no descriptor and has none.
inline int accept_left(ring::Socket listening) {
  return ::accept4(static_cast<int>(listening), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

}  // namespace kferry::proxy
