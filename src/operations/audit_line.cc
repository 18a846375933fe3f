#include "operations/audit_line.h"

#include <limits.h>

#include "operations/audit_parts.h"
#include "operations/log_line.h"
#include "operations/utc.h"

namespace kferry::operations {
namespace {

using Event = AuditRecord::Event;
using Outcome = AuditRecord::Outcome;
using std::chrono::duration_cast;
using std::chrono::milliseconds;

static_assert(audit_line_size_max <= PIPE_BUF);

std::string_view name(Event event) {
  switch (event) {
    case Event::authentication:
      return "authentication";
    case Event::reauthentication:
      return "reauthentication";
    case Event::end:
      return "end";
  }
  return "end";
}

std::string_view name(Outcome outcome) {
  switch (outcome) {
    case Outcome::accepted:
      return "accepted";
    case Outcome::refused:
      return "refused";
    case Outcome::unfinished:
    case Outcome::none:
      break;
  }
  return "unfinished";
}

std::string json(const AuditRecord& record, std::chrono::system_clock::time_point at) {
  JsonLine line;
  line.text("time", timestamp(at)).text("event", name(record.event));
  if (record.session != SessionId{}) line.text("session", session_text(record.session));
  line.text("cluster", record.cluster).text("listener", record.listener);

  line.begin("client").text("address", record.client.host_text()).number("port", record.client.port());
  line.text_if("id", record.client_id);
  line.text_if("software_name", record.software_name);
  line.text_if("software_version", record.software_version).end();

  if (!record.proxied.source.empty() || !record.proxied.endpoint.empty())
    line.begin("proxy")
        .text_if("source", record.proxied.source)
        .text_if("endpoint", record.proxied.endpoint)
        .end();

  if (record.tls) {
    line.begin("tls").text_if("version", record.tls->version).text_if("cipher", record.tls->cipher);
    line.text_if("server_name", record.tls->server_name, audited_name_max);
    if (!record.tls->version.empty()) line.flag("resumed", record.tls->resumed);
    if (const auto& certificate = record.tls->certificate)
      line.begin("certificate")
          .text_if("subject", certificate->subject, audited_name_max)
          .text_if("issuer", certificate->issuer, audited_name_max)
          .text_if("serial", certificate->serial)
          .text_if("sha256", certificate->sha256)
          .end();
    line.end();
  }

  if (!record.mechanism.empty()) {
    line.begin("authentication").text("mechanism", record.mechanism);
    line.text_if("principal", record.principal, audited_principal_max);
    if (record.delegation_token) line.flag("delegation_token", true);
    line.text("outcome", name(record.outcome));
    if (record.error_code != 0) line.number("error_code", record.error_code);
    line.text_if("reason", record.reason).end();
  }

  if (!record.broker_address.empty()) {
    line.begin("broker");
    if (record.broker) line.number("id", *record.broker);
    line.text("address", record.broker_address, audited_name_max).end();
  }

  if (record.event == Event::end) {
    const AuditRecord::Traffic& traffic = record.traffic;
    line.number("duration_ms", duration_cast<milliseconds>(record.duration).count());
    line.text("ended_by", ended_by(record.cause)).text("cause", to_string(record.cause));
    line.begin("traffic").number("bytes_to_broker", traffic.bytes_to_broker);
    line.number("bytes_to_client", traffic.bytes_to_client);
    line.number("frames_to_broker", traffic.frames_to_broker);
    line.number("frames_to_client", traffic.frames_to_client);
    add_requests(line, traffic);
    line.end();
  }
  return std::move(line).finished();
}

}  // namespace

std::string_view ended_by(CloseCause cause) {
  switch (cause) {
    case CloseCause::client_closed:
    case CloseCause::client_reset:
      return "client";
    case CloseCause::broker_closed:
    case CloseCause::broker_reset:
      return "broker";
    case CloseCause::client_timeout:
    case CloseCause::broker_unreachable:
    case CloseCause::refused_tls:
    case CloseCause::refused_protocol:
    case CloseCause::refused_limit:
    case CloseCause::refused_address:
    case CloseCause::frame_invalid:
    case CloseCause::drain_completed:
    case CloseCause::drain_timeout:
    case CloseCause::max_age:
    case CloseCause::reload:
    case CloseCause::internal:
    case CloseCause::end_:
      break;
  }
  return "kferry";
}

std::string audit_line(const AuditRecord& record, std::chrono::system_clock::time_point at,
                       AuditFormat format) {
  return format == AuditFormat::ocsf ? ocsf_line(record, at) : json(record, at);
}

}  // namespace kferry::operations
