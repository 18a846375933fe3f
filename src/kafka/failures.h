// Composes the failures that end a connection: a cause for machines, and the place and the remedy for a
// person.
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

// Kept by pointer, because few connections ever fail.
using FailurePtr = std::unique_ptr<Failure>;
FailurePtr make_failure(std::string_view cause, std::string text);
const Failure& no_failure();

// "Fetch v17"
std::string api_text(ApiKey key, ApiVersion version);
// The first 64 characters for a log line, with '?' for everything but printable ASCII.
std::string printable(std::string_view text);

// Names a protocol other than Kafka that begins with these four bytes, as a client or a server sends them;
// nullptr: no such protocol is known.
FailurePtr foreign_client(std::span<const std::byte, 4> first);
FailurePtr foreign_broker(std::span<const std::byte, 4> first);

// A message that does not follow its rows. `side`: "request" or "response".
FailurePtr malformed(ApiKey key, ApiVersion version, std::string_view side, const StructureWalker& walker);

// A response whose addresses take more than `size_max` bytes, or are more than `entries_max`.
FailurePtr held_part_too_large(ApiKey key, ApiVersion version, std::size_t size_max, std::size_t entries_max);
// A response that is longer than `size_max` with the addresses that clients dial.
FailurePtr rewritten_too_large(ApiKey key, ApiVersion version, std::size_t size_max);

FailurePtr hidden_api(ApiKey key, ApiVersion version, const Conversation& conversation);
FailurePtr version_outside_table(ApiKey key, ApiVersion version, const Conversation& conversation);

}  // namespace kferry::kafka
