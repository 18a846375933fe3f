// Watches one connection's requests and answers, without a say in them: RequestJudge and ClusterView decide. Audit
// and metrics implement it; a connection without an observer pays one comparison for each event. What is kept from
// the client (brokers left out, API keys hidden) is told to ClusterView.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kafka/schema.h"

namespace kferry::kafka {

struct Request;
struct Unanswered;

// A field of a request, as far as its row lets it be captured.
struct Captured {
  const Field& field;  // its row: name, role, whether it is secret
  // At most field.captured_max bytes, empty for null. Valid during the call. The walker zeroes its own copy of a
  // secret afterwards; a copy that the observer makes belongs in a Secret.
  std::span<const std::byte> bytes;
  std::uint32_t size = 0;  // of the whole field
};

class Observer {
 public:
  virtual ~Observer() = default;

  // Once for each captured field of a request that the judge has let go, before queued().
  virtual void captured(const Request&, const Captured&) {}
  // A request that will be answered, by the broker or by kferry (Unanswered::own).
  virtual void queued(const Unanswered&) {}
  // What leaves for the client is not what the broker answered. Before answered().
  virtual void rewritten(const Unanswered&) {}
  // The last byte of the answer was walked.
  virtual void answered(const Unanswered&) {}
};

}  // namespace kferry::kafka
