// The real resolver: one thread with c-ares serves every worker. /etc/hosts, search domains and resolv.conf
// count as for any program of the host; resolv.conf is watched and read again when it changes. Many requests
// for one name share one question. How long answers live: net/name_cache.h.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "net/resolver.h"

namespace kferry::net {

struct CaresOptions {
  // The longest a request waits before its answer: the last good one (stale), or a failure.
  Duration timeout = std::chrono::seconds(5);
  // How long one server is given before it is asked again or the next one is.
  Duration attempt_timeout = std::chrono::milliseconds(1'500);
  // "127.0.0.1:5353,[::1]:53": ask these instead of resolv.conf's. For tests.
  std::string servers{};
  // Asks resolv.conf's servers on this port; 0: 53. For tests.
  std::uint16_t port = 0;
  std::string resolv_conf = "/etc/resolv.conf";
  // Reads the hosts file that CARES_HOSTS names instead of /etc/hosts. For tests.
  bool hosts_from_environment = false;
};

// Starts the thread. The error says why c-ares could not start. Destroying the resolver drops what is
// unanswered (its queues get nothing more) and joins the thread.
std::expected<std::unique_ptr<Resolver>, std::string> start_cares_resolver(CaresOptions options);

}  // namespace kferry::net
