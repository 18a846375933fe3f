// Answers that kferry gives instead of the broker. Each kind is one row: the queue entry of a request points
// to the row (Unanswered::own), and ResponseWalker writes the answer when its turn comes.
#pragma once

#include "kafka/conversation.h"
#include "kafka/wire.h"
#include "kafka/writer.h"

namespace kferry::kafka {

struct OwnAnswer {
  // Appends what follows the correlation id.
  void (*write)(Writer& body, const Unanswered& request);
};

// To ApiVersions of a version outside the table: a body of version 0 with error 35 and the range of versions
// of ApiVersions that kferry forwards (KIP-511).
extern const OwnAnswer unsupported_api_versions;
// The same without any range: the client asks again with version 0.
extern const OwnAnswer unsupported_without_ranges;

// The answer as a frame.
Bytes frame_of(const OwnAnswer& answer, const Unanswered& request);

}  // namespace kferry::kafka
