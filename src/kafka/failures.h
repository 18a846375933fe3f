// The words for what ends a connection: each with a cause for machines, and for a person the place and the
// remedy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/failure.h"
#include "base/ids.h"
#include "kafka/conversation.h"
#include "kafka/structure_walker.h"

namespace kferry::kafka {

// Kept by pointer: a connection has one at most, and most have none.
using FailurePtr = std::unique_ptr<Failure>;
FailurePtr make_failure(std::string_view cause, std::string text);
const Failure& no_failure();

// "Fetch v17"
std::string api_text(ApiKey key, ApiVersion version);
// At most the first 64 characters, what is no plain ASCII replaced by '?': it goes to logs.
std::string printable(std::string_view text);

// What else than Kafka begins with these four octets, as a client or as a broker; nullptr: nothing known.
FailurePtr foreign_client(std::span<const std::byte, 4> first);
FailurePtr foreign_broker(std::span<const std::byte, 4> first);

// A structure that does not follow its rows. `side`: "request" or "response".
FailurePtr malformed(ApiKey key, ApiVersion version, std::string_view side, const StructureWalker& walker);

FailurePtr hidden_api(ApiKey key, ApiVersion version, const Conversation& conversation);
FailurePtr version_outside_table(ApiKey key, ApiVersion version, const Conversation& conversation);

}  // namespace kferry::kafka
