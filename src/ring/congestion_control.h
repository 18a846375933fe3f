// TCP's congestion control: what this host uses, and whether a process may use another (tcp(7): TCP_CONGESTION).
#pragma once

#include <string>

namespace kferry::ring {

// Why the kernel refuses this one to this process, and what to do about it; empty: it does not. Tried on a socket.
std::string congestion_control_refusal(const std::string& name);

struct HostCongestionControl {
  std::string name;   // of new sockets
  std::string queue;  // of new network interfaces, such as "fq"; empty: unknown
};
HostCongestionControl host_congestion_control();

// BBR paces what it sends. Where the interface's queue is fq, the queue does it; elsewhere TCP does by a timer of the
// kernel's for each burst, which costs the sender 25 to 46 % more CPU for large sends (measured on loopback).
bool paces_by_timers(const HostCongestionControl& host);

}  // namespace kferry::ring
