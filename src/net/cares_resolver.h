// The real resolver: one thread with c-ares serves every worker. /etc/hosts, search domains and resolv.conf apply as to
// any program on the host; resolv.conf is read again when it changes. Requests for the same name share one question.
// net/name_cache.h says how long answers live.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "net/resolver.h"

namespace kferry::net {

struct CaresOptions {
  // How long a request waits at most. Then it gets the last good answer, stale, or a failure.
  Duration timeout = std::chrono::seconds(5);
  // How long it waits if there is a good answer from before.
  Duration patience = std::chrono::milliseconds(250);
  // How long a server has to answer before it, or the next one, is asked again.
  Duration attempt_timeout = std::chrono::milliseconds(1'500);
  // "127.0.0.1:5353,[::1]:53": used instead of resolv.conf's servers. For tests.
  std::string servers{};
  // Asks resolv.conf's servers on this port; 0: 53. For tests.
  std::uint16_t port = 0;
  std::string resolv_conf = "/etc/resolv.conf";
  // Reads the hosts file that CARES_HOSTS names instead of /etc/hosts. For tests.
  bool hosts_from_environment = false;
};

// Starts the thread. The error says why c-ares could not start. The destructor drops unanswered requests, whose queues
// get nothing more, and joins the thread.
std::expected<std::unique_ptr<Resolver>, std::string> start_cares_resolver(CaresOptions options);

}  // namespace kferry::net
