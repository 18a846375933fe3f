#include "proxy/close_table.h"

#include <algorithm>
#include <iterator>

namespace kferry::proxy {
namespace {

using enum CloseCause;

constexpr CloseRow rows[] = {
    // What ends without a complaint about bytes.
    {"broker_cut", broker_reset},
    {"broker_silent", client_closed},
    {"client_stalled", client_timeout},
    {"dial_abandoned", client_closed},
    {"dial_failed", refused_limit},
    {"first_request_too_slow", client_timeout},
    {"header_cut_short", client_closed},
    {"response_cut_short", broker_closed},
    {"retirement_cut", reload},
    {"proxy_header_timeout", client_timeout},
    {"stand_in_paced", broker_unreachable},
    {"stand_in_refused", broker_unreachable},
    {"upstream_tls_unusable", broker_unreachable},
    {"upstream_unreachable", broker_unreachable},
    // Another protocol, or a part of Kafka's that kferry does not forward.
    {"authority_unknown", refused_protocol},
    {"cluster_id_changed", refused_protocol},
    {"gssapi_token_first", refused_protocol},
    {"hidden_api_key", refused_protocol},
    {"http_answer", refused_protocol},
    {"http_request", refused_protocol},
    {"implausible_request_header", refused_protocol},
    {"proxy_header_malformed", refused_protocol},
    {"proxy_header_missing", refused_protocol},
    {"proxy_protocol_header", refused_protocol},
    {"ssh_answer", refused_protocol},
    {"ssh_on_kafka_port", refused_protocol},
    {"tls_answer_on_plaintext", refused_protocol},
    {"tls_hello_on_plaintext", refused_protocol},
    {"version_above_table", refused_protocol},
    {"version_below_table", refused_protocol},
    // Frames and records that contradict themselves or what was asked.
    {"frame_too_small", frame_invalid},
    {"head_too_large", frame_invalid},
    {"implausible_frame_size", frame_invalid},
    {"malformed_frame", frame_invalid},
    {"negative_frame_size", frame_invalid},
    {"record_forged", frame_invalid},
    {"record_malformed", frame_invalid},
    {"unsolicited_response", frame_invalid},
    {"wrong_correlation_id", frame_invalid},
    // Who may connect.
    {"client_denied", refused_address},
    {"client_not_allowed", refused_address},
    {"endpoint_not_allowed", refused_address},
    {"proxy_source_not_allowed", refused_address},
    // kferry's own bounds.
    {"accepts_limited", refused_limit},
    {"address_limited", refused_limit},
    {"connections_limited", refused_limit},
    {"frame_too_large", refused_limit},
    {"held_part_too_large", refused_limit},
    {"listener_limited", refused_limit},
    {"memory_exhausted", refused_limit},
    {"memory_limited", refused_limit},
    {"rewritten_too_large", refused_limit},
    // TLS.
    {"alert_received", refused_tls},
    {"certificate_expired", refused_tls},
    {"certificate_invalid", refused_tls},
    {"certificate_malformed", refused_tls},
    {"certificate_not_allowed", refused_tls},
    {"certificate_not_yet_valid", refused_tls},
    {"certificate_purpose", refused_tls},
    {"certificate_refused", refused_tls},
    {"certificate_revoked", refused_tls},
    {"certificate_untrusted", refused_tls},
    {"chain_too_long", refused_tls},
    {"client_certificate_missing", refused_tls},
    {"client_certificate_refused", refused_tls},
    {"client_certificate_required", refused_tls},
    {"client_certificate_unasked", refused_tls},
    {"client_hello_malformed", refused_tls},
    {"handshake_cut", refused_tls},
    {"handshake_failed", refused_tls},
    {"handshake_message_too_long", refused_tls},
    {"http_on_tls", refused_tls},
    {"key_too_large", refused_tls},
    {"no_common_cipher", refused_tls},
    {"no_common_version", refused_tls},
    {"no_tls_answer", refused_tls},
    {"no_usable_certificate", refused_tls},
    {"not_tls", refused_tls},
    {"plaintext_on_tls", refused_tls},
    {"proxy_protocol_on_tls", refused_tls},
    {"revocations_expired", refused_tls},
    {"revocations_missing", refused_tls},
    {"revocations_unusable", refused_tls},
    {"server_name_refused", refused_tls},
    {"server_name_unknown", refused_tls},
    {"ssh_on_tls", refused_tls},
    {"tls_handshake_timeout", client_timeout},
    {"max_age_reached", max_age},
    {"tls_key_update", max_age},
    {"tls_key_used_up", max_age},
    {"tls_point_off_curve", refused_tls},
    {"truncated", client_reset},
};

}  // namespace

std::span<const CloseRow> close_rows() {
  return rows;
}

CloseCause close_cause_of(std::string_view log_cause) {
  const auto* row = std::ranges::find(rows, log_cause, &CloseRow::log_cause);
  return row == std::end(rows) ? internal : row->cause;
}

}  // namespace kferry::proxy
