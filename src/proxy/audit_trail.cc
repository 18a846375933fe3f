#include "proxy/audit_trail.h"

#include <algorithm>
#include <utility>

#include "kafka/api_keys.h"
#include "kafka/error_codes.h"
#include "kafka/request_walker.h"
#include "kafka/sasl_principal.h"
#include "proxy/session.h"

namespace kferry::proxy {
namespace {

using Event = AuditRecord::Event;
using Outcome = AuditRecord::Outcome;

constexpr unsigned api_bits = 8;
constexpr std::uint64_t api_mask = (1U << api_bits) - 1;
static_assert(counted_apis <= api_mask + 1);
static_assert(kafka::ClaimedPrincipal::name_max == audited_principal_max);

// Those that clients without an accepted identity may send.
bool before_authentication(ApiKey key) {
  return key == kafka::api_versions_key || key == kafka::sasl_handshake_key ||
         key == kafka::sasl_authenticate_key;
}

// Whether a handshake with a client has failed for its certificate. `shown`: it has sent one.
bool concerns_certificate(std::string_view reason, bool shown) {
  if (!shown) return reason == "client_certificate_missing";
  if (reason == "certificate_refused") return false;  // kferry's, by the client
  return reason.starts_with("certificate_") || reason.starts_with("revocations_") ||
         reason == "key_too_large";
}

Outcome told(Authentication::Outcome outcome) {
  switch (outcome) {
    case Authentication::Outcome::accepted:
      return Outcome::accepted;
    case Authentication::Outcome::refused:
      return Outcome::refused;
    case Authentication::Outcome::unfinished:
    case Authentication::Outcome::end_:
      break;
  }
  return Outcome::unfinished;
}

}  // namespace

// --- what the client sends

void AuditTrail::captured(const kafka::Request& request, const kafka::Captured& field) {
  if (field.field.role == kafka::Role::software_name && field.size > 0)
    software_name_size_ = static_cast<std::uint8_t>(std::min(field.bytes.size(), audited_text_max));
  if (field.field.role != kafka::Role::sasl_bytes) return;
  if (request.raw_token) ++frames_to_broker_;
  // Later tokens hold proofs, and no name.
  if (!authentication_.pending() || std::exchange(named_, true)) return;
  const std::string_view mechanism = session_.conversation().sasl_mechanism.view();
  kafka::ClaimedPrincipal claimed = kafka::claimed_principal(mechanism, field.bytes);
  principal_ = claimed.name;
  delegation_token_ = claimed.delegation_token;
}

void AuditTrail::queued(const kafka::Unanswered& request) {
  if (audit_ != nullptr) {
    if (request.own == nullptr) ++frames_to_broker_;
    if (!request.asked_by_kferry) count_request(request.key);
    if (!request.asked_by_kferry && request.own == nullptr) note_passed(request.key);
  }
  if (request.key == kafka::sasl_handshake_key && request.own == nullptr)
    begin_authentication(request.version);
  meter_.queued(request);
}

void AuditTrail::unacknowledged(ApiKey key, ApiVersion version) {
  if (audit_ != nullptr) {
    ++frames_to_broker_;
    count_request(key);
    note_passed(key);
  }
  meter_.unacknowledged(key, version);
}

void AuditTrail::count_request(ApiKey key) {
  const std::uint64_t api = counted_api(key);
  const auto known =
      std::ranges::find_if(requests_, [api](std::uint64_t entry) { return (entry & api_mask) == api; });
  constexpr std::uint64_t one = std::uint64_t{1} << api_bits;
  if (known != requests_.end()) {
    *known += one;
    return;
  }
  // Clients use few APIs: by doubling, an idle connection would keep room that it never needs.
  if (requests_.size() == requests_.capacity()) requests_.reserve(requests_.size() + 4);
  requests_.push_back(one | api);
}

// A client that asks for something without SASL is who its certificate says it is, or anyone.
void AuditTrail::note_passed(ApiKey key) {
  if (without_ != Without::undecided || authentication_.begun() || before_authentication(key)) return;
  without_ = session_.certificate() != nullptr ? Without::certificate : Without::nothing;
  write(Event::authentication);
}

void AuditTrail::begin_authentication(ApiVersion version) {
  if (authentication_.pending()) count_outcome();
  authentication_.begin(session_.conversation().sasl_mechanism.view(), version == 0);
  principal_ = std::string_view();
  delegation_token_ = false;
  named_ = false;
}

// --- what the broker answers

void AuditTrail::sasl_answered(const kafka::Unanswered& request, std::int16_t error_code) {
  const bool known = request.key == kafka::sasl_handshake_key
                         ? authentication_.on_handshake_answer(error_code)
                         : authentication_.on_token_answer(error_code);
  if (known) decide();
}

void AuditTrail::token_answered() {
  ++frames_to_client_;
  if (authentication_.on_token_answer(0)) decide();
}

void AuditTrail::answered(const kafka::Unanswered& request) {
  if (!request.asked_by_kferry) ++frames_to_client_;
  if (request.own == nullptr && !before_authentication(request.key) && authentication_.on_other_answer())
    decide();
  meter_.answered(request);
}

void AuditTrail::decide() {
  count_outcome();
  if (audit_ != nullptr) write(authentication_.again() ? Event::reauthentication : Event::authentication);
}

void AuditTrail::count_outcome() {
  meter_.listener()
      .authentications[authentication_.mechanism()][static_cast<std::size_t>(authentication_.outcome())]
      .add();
}

// --- the records

void AuditTrail::on_handshake_failed(std::string_view reason) {
  if (audit_ == nullptr || !concerns_certificate(reason, session_.certificate() != nullptr)) return;
  without_ = Without::refused;
  AuditRecord refused = record(Event::authentication);
  refused.reason = reason;
  audit_->write(refused);
}

void AuditTrail::on_end(CloseCause cause, Instant now) {
  const bool by_broker = cause == CloseCause::broker_closed || cause == CloseCause::broker_reset;
  if (by_broker && authentication_.on_broker_closed()) {
    decide();
  } else if (authentication_.pending()) {
    count_outcome();
  }
  if (audit_ == nullptr) return;
  AuditRecord ended = record(Event::end);
  ended.cause = cause;
  ended.duration = now - began_;
  ended.traffic = {bytes_to_broker_, bytes_to_client_, frames_to_broker_, frames_to_client_, {}};
  for (const std::uint64_t entry : requests_)
    ended.traffic.requests.emplace_back(counted_api_name(entry & api_mask), entry >> api_bits);
  audit_->write(ended);
}

AuditRecord AuditTrail::record(Event event) const {
  AuditRecord record;
  record.event = event;
  session_.describe(record);
  const std::string_view software = session_.conversation().client_software.view();
  if (software_name_size_ > 0 && software.size() > software_name_size_) {
    record.software_name = software.substr(0, software_name_size_);
    record.software_version = software.substr(software_name_size_ + std::size_t{1});
  }
  if (authentication_.begun()) {
    record.mechanism = session_.conversation().sasl_mechanism.view();
    record.principal = principal_.view();
    record.delegation_token = delegation_token_;
    record.outcome = told(authentication_.outcome());
    record.error_code = authentication_.error_code();
    if (record.error_code != 0) record.reason = kafka::error_name(record.error_code);
    return record;
  }
  if (without_ == Without::undecided) return record;
  record.mechanism = without_ == Without::nothing ? "NONE" : "TLS";
  record.outcome = without_ == Without::refused ? Outcome::refused : Outcome::accepted;
  if (const x509::Description* certificate = session_.certificate()) record.principal = certificate->subject;
  return record;
}

}  // namespace kferry::proxy
