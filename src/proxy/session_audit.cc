// What a session says of itself in audit records, and when its trail begins and is dropped. Documented in
// proxy/audit_trail.h.
#include "kafka/observer.h"
#include "proxy/audit_trail.h"
#include "proxy/session.h"
#include "proxy/worker.h"

namespace kferry::proxy {

// `sink` may be null.
void Session::begin_trail(AuditSink* sink) {
  trail_ = std::make_unique<AuditTrail>(*this, legs_.meter, sink, worker().now());
  legs_.frames.conversation().observe(trail_.get(),
                                      sink == nullptr ? kafka::Roles{} : AuditTrail::captured_roles);
}

void Session::note_sent(Remote to, std::uint64_t size) {
  to == Remote::broker ? trail_->sent_to_broker(size) : trail_->sent_to_client(size);
  if (!trail_->done()) return;
  legs_.frames.conversation().observe(&legs_.meter);
  trail_.reset();
}

const x509::Description* Session::certificate() const {
  return legs_.client.tls() == nullptr ? nullptr : legs_.client.tls()->client_certificate();
}

void Session::describe(AuditRecord& record) {
  const Place& place = link_.place();
  record.session = worker().session_id(slot());
  record.cluster = place.cluster_config().name;
  record.listener = place.listener().name;
  record.client = link_.client_address();
  if (const net::ProxyHeader* const header = link_.proxy_header()) {
    record.client = worker().ring().remote_address(legs_.client.socket());
    if (!header->source.empty()) record.proxied.source = header->source.text();
    if (header->endpoint) record.proxied.endpoint = header->endpoint->text();
  }
  record.client_id = link_.client_id();
  if (const tls::Engine* const engine = legs_.client.tls()) {
    AuditRecord::Tls tls;
    const tls::Negotiated& negotiated = engine->negotiated();
    if (!negotiated.cipher.empty()) {
      tls.version = negotiated.version == tls::Version::tls_1_3 ? "1.3" : "1.2";
      tls.cipher = negotiated.cipher;
      tls.resumed = negotiated.resumed;
    }
    tls.server_name = engine->server_name();
    if (const x509::Description* const shown = engine->client_certificate())
      tls.certificate = {shown->subject, shown->issuer, shown->serial, shown->sha256};
    record.tls = std::move(tls);
  }
  if (state_ != State::open) return;
  record.broker_address = to_string(link_.dialled());
  if (const std::optional<NodeId> id = link_.node()) record.broker = number(*id);
}

}  // namespace kferry::proxy
