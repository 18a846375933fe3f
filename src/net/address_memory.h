// Which addresses of a name answered, and which did not, so that the next dial begins with one that does. Only names
// with several addresses are remembered: elsewhere there is nothing to choose.
//
//   order    the address that answered last ▸ those without a failure ▸ those that failed last, in each group by
//            turns of IPv4 and IPv6, otherwise as DNS has them (RFC 8305, section 4)
//   delay    before the next address is tried beside the last: twice the time that the last connection took, within
//            delay_min and delay_max (RFC 8305, sections 5 and 8)
//
// A dead address is logged once, when another address of its name has answered, until it answers again. Shared by all
// workers; each call takes the lock once. Bounded by names_max, dead_max and lifetime.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/host_port.h"
#include "base/log_sink.h"
#include "base/socket_address.h"

namespace kferry::net {

class AddressMemory {
 public:
  static constexpr Duration delay_min = std::chrono::milliseconds(250);
  static constexpr Duration delay_max = std::chrono::seconds(2);
  // A name that has not been dialled for this long, and a failure as old, are forgotten.
  static constexpr Duration lifetime = std::chrono::hours(1);
  // The name that was dialled longest ago is forgotten first, as is a name's oldest failure.
  static constexpr std::size_t names_max = 1024;
  static constexpr std::size_t dead_max = 16;

  // `log` outlives it.
  explicit AddressMemory(LogSink& log) : log_(log) {}

  // What a dial needs to know.
  struct Plan {
    Duration delay = delay_min;
    // The first address answered last and soon enough for the shortest delay: where it does so again, there is nothing
    // to report.
    bool settled = false;
  };
  // Puts the addresses into the order in which they are to be tried.
  Plan plan(const HostPort& name, std::vector<SocketAddress>& addresses, Instant now);
  // A connection there was made, in `took`.
  void answered(const HostPort& name, const SocketAddress& address, Duration took, Instant now);
  // None could be made there. `why` is for the log.
  void failed(const HostPort& name, const SocketAddress& address, std::string why, Instant now);

  std::size_t size() const;

 private:
  struct Dead {
    SocketAddress address;
    std::string why;
    Instant at{};
    bool logged = false;
  };
  struct Name {
    SocketAddress good{};  // empty: no address has answered
    Duration took{};       // valid with `good`
    std::vector<Dead> dead{};
    Instant used{};
  };

  Name& use(const HostPort& name, Instant now);
  void make_room(Instant now);

  LogSink& log_;
  mutable std::mutex mutex_;
  std::map<HostPort, Name> names_;
};

}  // namespace kferry::net
