// The client side of the load: N connections, each asking again as soon as it is answered, every byte of
// every answer compared with what it must be. A wrong, missing or surplus byte ends the process with a
// message.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "tls/context.h"

namespace kferry::bench {

enum class Workload : std::uint8_t {
  small,    // OffsetFetch: about 100 bytes each way, opaque to a proxy
  fetch,    // small request, response of `size`
  produce,  // request of `size`, small response
  churn,    // a connection for each ApiVersions exchange, closed after it
  idle,     // one ApiVersions exchange on each connection, then silence
};

struct DriveOptions {
  std::string server;  // where to connect to: the proxy, or the fake broker itself
  Workload workload = Workload::small;
  std::size_t connections = 1;
  std::size_t depth = 1;  // unanswered requests on each connection
  std::size_t size = 0;   // of the large frame, its length included
  std::int16_t version = 0;
  std::size_t partitions = 1;
  std::shared_ptr<const tls::ClientContext> tls;  // null: plaintext
  double requests_per_s = 0;                      // over all connections, or new ones; 0: as fast as they go
  std::size_t stalled = 0;                        // fetch: so many further connections that read nothing
  double warm_up_s = 0.2;
  double seconds = 1;
  bool wait = false;  // for a line on stdin after "ready"
};

struct Answers {
  std::uint64_t count = 0;
  std::uint64_t resumed = 0;  // of churn's TLS sessions
};

// A load of which nothing has moved for so long has failed.
constexpr auto stall_timeout = std::chrono::seconds(10);

// Warms up, prints "ready", measures, prints one line of JSON: requests, bytes (large frames), seconds,
// cpu_seconds (its own), p50_us, p99_us, resumed (of churn's TLS sessions). Idle: prints {"idle": N} once all
// are there, holds them until stdin ends, and fails if any was closed meanwhile.
void drive(const DriveOptions& options);

}  // namespace kferry::bench
