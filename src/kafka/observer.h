// Watches the requests and answers of one connection. It decides nothing: RequestJudge and ClusterView do,
// and brokers and API keys that are withheld from the client are reported to ClusterView. A connection
// without an observer pays one comparison per event.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/ids.h"
#include "kafka/schema.h"

namespace kferry::kafka {

struct Request;
struct Unanswered;

// A field of a request, or as much of it as its row lets an observer have.
struct Captured {
  const Field& field;  // its row: name, role, whether it is secret
  // At most field.captured_max bytes; empty if the field is null. Valid during the call. The walker zeroes
  // any copy it has made of a secret; the observer's copy belongs in a Secret.
  std::span<const std::byte> bytes;
  std::uint32_t size = 0;  // of the whole field
};

class Observer {
 public:
  virtual ~Observer() = default;

  // Once per captured field of a request that the judge has let pass, before queued().
  virtual void captured(const Request&, const Captured&) {}
  // The request passes and awaits its answer, from the broker or from kferry (Unanswered::own).
  virtual void queued(const Unanswered&) {}
  // A Produce with acks=0 passes, which has no answer.
  virtual void unacknowledged(ApiKey, ApiVersion) {}
  // The broker answers SaslHandshake or SaslAuthenticate with this error code. Before answered().
  virtual void sasl_answered(const Unanswered&, std::int16_t /*error_code*/) {}
  // The last byte has been walked of a token that the broker sends after SaslHandshake 0.
  virtual void token_answered() {}
  // The client gets something else than the broker's answer. Before answered().
  virtual void rewritten(const Unanswered&) {}
  // The last byte of the answer has been walked.
  virtual void answered(const Unanswered&) {}
};

}  // namespace kferry::kafka
