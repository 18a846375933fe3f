// Audit records as events of OCSF 1.1 (https://schema.ocsf.io/1.1.0): class 3002 for authentications, class 4001 for
// the end of a connection. What the schema has no attribute for is in `unmapped`.
#include <cstdlib>
#include <string>
#include <string_view>

#include "operations/audit_line.h"
#include "operations/audit_parts.h"
#include "operations/log_line.h"

namespace kferry::operations {
namespace {

using Event = AuditRecord::Event;
using Outcome = AuditRecord::Outcome;
using std::chrono::duration_cast;
using std::chrono::milliseconds;

struct Class {
  int category;
  int number;
  int activity;
  std::string_view activity_name;
};
constexpr Class logon{3, 3002, 1, "Logon"};
constexpr int network_category = 4;
constexpr int network_activity = 4001;

// Closes of a connection that was served, resets, failures, refusals.
Class class_of(CloseCause cause) {
  switch (cause) {
    case CloseCause::client_reset:
    case CloseCause::broker_reset:
      return {network_category, network_activity, 3, "Reset"};
    case CloseCause::broker_unreachable:
    case CloseCause::frame_invalid:
    case CloseCause::internal:
      return {network_category, network_activity, 4, "Fail"};
    case CloseCause::refused_tls:
    case CloseCause::refused_protocol:
    case CloseCause::refused_limit:
    case CloseCause::refused_address:
      return {network_category, network_activity, 5, "Refuse"};
    case CloseCause::client_closed:
    case CloseCause::broker_closed:
    case CloseCause::client_timeout:
    case CloseCause::drain_completed:
    case CloseCause::drain_timeout:
    case CloseCause::max_age:
    case CloseCause::reload:
    case CloseCause::end_:
      break;
  }
  return {network_category, network_activity, 2, "Close"};
}

int protocol_id(std::string_view mechanism) {
  if (mechanism == "GSSAPI") return 2;       // Kerberos
  if (mechanism == "OAUTHBEARER") return 6;  // OAUTH 2.0
  return 99;                                 // Other
}

void add_head(JsonLine& line, const AuditRecord& record, const Class& of, milliseconds at) {
  constexpr int type_factor = 100;
  line.number("category_uid", of.category).number("class_uid", of.number);
  line.number("activity_id", of.activity).text("activity_name", of.activity_name);
  line.number("type_uid", of.number * type_factor + of.activity).number("time", at.count());
  constexpr int informational = 1;
  constexpr int medium = 3;
  const bool refused = record.event != Event::end && record.outcome == Outcome::refused;
  line.number("severity_id", refused ? medium : informational);
  line.begin("metadata").text("version", "1.1.0").text("log_name", "audit");
  line.begin("product").text("name", "kferry").text("vendor_name", "kferry");
  line.text("version", KFERRY_VERSION).end().end();
  line.begin("src_endpoint").text("ip", record.client.host_text()).number("port", record.client.port()).end();
}

// The broker, or what the client has asked for one.
void add_destination(JsonLine& line, const AuditRecord& record) {
  line.begin("dst_endpoint");
  line.text("svc_name", std::string(record.cluster).append("/").append(record.listener), audited_name_max);
  const std::size_t colon = record.broker_address.rfind(':');
  if (colon != std::string::npos) {
    line.text("hostname", std::string_view(record.broker_address).substr(0, colon), audited_name_max);
    line.number("port", std::atoi(record.broker_address.c_str() + colon + 1));
    if (record.broker) line.text("instance_uid", std::to_string(*record.broker));
  }
  line.end();
}

void add_certificate(JsonLine& line, const AuditRecord& record) {
  if (!record.tls || !record.tls->certificate) return;
  const AuditRecord::Certificate& certificate = *record.tls->certificate;
  line.begin("certificate").text_if("subject", certificate.subject, audited_name_max);
  line.text("issuer", certificate.issuer, audited_name_max);
  line.text("serial_number", certificate.serial);
  line.begin_list("fingerprints").number("algorithm_id", 3).text("algorithm", "SHA-256");
  line.text("value", certificate.sha256).end_list().end();
}

void add_tls(JsonLine& line, const AuditRecord& record) {
  if (!record.tls) return;
  line.begin("tls").text("version", record.tls->version.empty() ? "unknown" : record.tls->version);
  line.text_if("cipher", record.tls->cipher).text_if("sni", record.tls->server_name, audited_name_max);
  add_certificate(line, record);
  line.end();
}

void add_user(JsonLine& line, const AuditRecord& record) {
  const bool anyone = record.mechanism == "NONE";
  const std::string_view unnamed = anyone ? "ANONYMOUS" : "unknown";
  line.begin("user").number("type_id", record.principal.empty() ? 0 : 1);
  line.text("name", record.principal.empty() ? unnamed : record.principal, audited_principal_max).end();
}

void add_authentication(JsonLine& line, const AuditRecord& record) {
  line.text("auth_protocol", record.mechanism);
  line.number("auth_protocol_id", protocol_id(record.mechanism)).flag("is_remote", true);
  if (record.mechanism == "PLAIN") line.flag("is_cleartext", !record.tls);
  constexpr int success = 1;
  constexpr int failure = 2;
  const bool accepted = record.outcome == Outcome::accepted;
  line.number("status_id", accepted ? success : failure).text("status", accepted ? "Success" : "Failure");
  if (record.error_code != 0) line.text("status_code", std::to_string(record.error_code));
  line.text_if("status_detail", record.reason);
  if (record.session != SessionId{}) line.begin("session").text("uid", session_text(record.session)).end();
}

void add_end(JsonLine& line, const AuditRecord& record, milliseconds at) {
  const auto duration = duration_cast<milliseconds>(record.duration);
  line.number("start_time", (at - duration).count()).number("end_time", at.count());
  line.number("duration", duration.count());
  line.begin("connection_info").number("direction_id", 1).text("protocol_name", "tcp");
  line.number("protocol_num", 6);
  if (record.session != SessionId{}) line.text("uid", session_text(record.session));
  line.end();
  const AuditRecord::Traffic& traffic = record.traffic;
  line.begin("traffic").number("bytes_in", traffic.bytes_to_client);
  line.number("bytes_out", traffic.bytes_to_broker);
  line.number("bytes", traffic.bytes_to_client + traffic.bytes_to_broker).end();
  line.text("status_detail", to_string(record.cause));
}

void add_unmapped(JsonLine& line, const AuditRecord& record) {
  line.begin("unmapped").text("cluster", record.cluster).text("listener", record.listener);
  line.text_if("client_id", record.client_id);
  line.text_if("software_name", record.software_name);
  line.text_if("software_version", record.software_version);
  line.text_if("proxy_source", record.proxied.source);
  line.text_if("proxy_endpoint", record.proxied.endpoint);
  if (record.delegation_token) line.flag("delegation_token", true);
  if (record.event == Event::reauthentication) line.flag("reauthentication", true);
  if (record.event == Event::end) {
    line.text("ended_by", ended_by(record.cause)).text_if("mechanism", record.mechanism);
    line.text_if("principal", record.principal, audited_principal_max);
    line.flag("authenticated", record.outcome == Outcome::accepted);
    line.number("frames_in", record.traffic.frames_to_client);
    line.number("frames_out", record.traffic.frames_to_broker);
    add_requests(line, record.traffic);
  }
  line.end();
}

}  // namespace

std::string ocsf_line(const AuditRecord& record, std::chrono::system_clock::time_point at) {
  const auto now = duration_cast<milliseconds>(at.time_since_epoch());
  JsonLine line;
  const bool end = record.event == Event::end;
  add_head(line, record, end ? class_of(record.cause) : logon, now);
  add_destination(line, record);
  if (end) {
    add_tls(line, record);
    add_end(line, record, now);
  } else {
    add_user(line, record);
    add_authentication(line, record);
    add_certificate(line, record);
  }
  add_unmapped(line, record);
  return std::move(line).finished();
}

}  // namespace kferry::operations
