// The fake broker: answers real Kafka requests with frames of the size they ask for, on one thread.
//
// ApiVersions 0-4, Metadata 0-13 (itself, no topics), OffsetFetch 7, Fetch 15-17 (a response of `max_bytes`
// bytes, over the partitions asked), Produce 9-12 (every byte compared with what produce_request() makes).
// Anything else, or a wrong byte, ends the process with a message.
#pragma once

#include <memory>
#include <string>

#include "tls/context.h"

namespace kferry::bench {

// Prints "listening PORT" on stdout, then serves until killed. `listen` may have port 0.
// `tls`: null for plaintext.
[[noreturn]] void serve(const std::string& listen, const std::shared_ptr<const tls::ServerContext>& tls);

}  // namespace kferry::bench
