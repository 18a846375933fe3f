// What one session remembers for its audit records and for the count of authentications, and when a record is due: when
// the client is authenticated or refused, each time that is repeated, and when the connection ends. Sits between the
// conversation and the session's meter, and passes on to that what it observes.
//
// Exists while something may have to be told: from the start if there is an audit sink, otherwise from SaslHandshake
// until its outcome has been counted. So a session without it pays for a null pointer. Lives on its worker's thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/audit_sink.h"
#include "base/clock.h"
#include "base/close_cause.h"
#include "base/compact_text.h"
#include "kafka/observer.h"
#include "proxy/authentication.h"
#include "proxy/connection_meter.h"

namespace kferry::proxy {

class Session;

class AuditTrail final : public kafka::Observer {
 public:
  // What it needs of requests, from a conversation that it observes with a sink.
  static constexpr kafka::Roles captured_roles{kafka::Role::sasl_bytes, kafka::Role::software_name};

  // All outlive it. Null `sink`: authentications are counted, and nothing else is kept.
  AuditTrail(Session& session, ConnectionMeter& meter, AuditSink* sink, Instant now)
      : session_(session), meter_(meter), audit_(sink), began_(now) {}

  // Bytes that a socket has taken.
  void sent_to_broker(std::uint64_t size) { bytes_to_broker_ += size; }
  void sent_to_client(std::uint64_t size) { bytes_to_client_ += size; }
  // Everything it is for has been told. Never with a sink, whose last record comes with the end.
  bool done() const { return audit_ == nullptr && !authentication_.pending(); }

  // The client's TLS handshake has failed for this reason, which is recorded if it concerns the client's certificate.
  void on_handshake_failed(std::string_view reason);
  // Once, before the meter's end().
  void on_end(CloseCause cause, Instant now);

  // --- kafka::Observer
  void captured(const kafka::Request& request, const kafka::Captured& field) override;
  void queued(const kafka::Unanswered& request) override;
  void unacknowledged(ApiKey key, ApiVersion version) override;
  void sasl_answered(const kafka::Unanswered& request, std::int16_t error_code) override;
  void token_answered() override;
  void rewritten(const kafka::Unanswered& request) override { meter_.rewritten(request); }
  void answered(const kafka::Unanswered& request) override;

 private:
  // Of the client, while it has not used SASL.
  enum class Without : std::uint8_t { undecided, certificate, nothing, refused };

  void begin_authentication(ApiVersion version);
  void count_request(ApiKey key);
  void note_passed(ApiKey key);
  void decide();
  void count_outcome();
  AuditRecord record(AuditRecord::Event event) const;
  void write(AuditRecord::Event event) const { audit_->write(record(event)); }

  Session& session_;
  ConnectionMeter& meter_;
  AuditSink* const audit_;
  const Instant began_;
  std::uint64_t bytes_to_broker_ = 0;
  std::uint64_t bytes_to_client_ = 0;
  std::uint64_t frames_to_broker_ = 0;
  std::uint64_t frames_to_client_ = 0;
  // By API: a count, and in the lowest eight bits counted_api(). At most one for each API that Kafka has.
  std::vector<std::uint64_t> requests_;
  CompactText principal_;
  Authentication authentication_;
  Without without_ = Without::undecided;
  std::uint8_t software_name_size_ = 0;  // of Conversation::client_software
  bool delegation_token_ = false;
  bool named_ = false;  // the exchange's first token has come
};

}  // namespace kferry::proxy
