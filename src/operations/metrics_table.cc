#include "operations/metrics_table.h"

#include <iterator>

namespace kferry::operations {
namespace {

using enum MetricType;

// In the order of the enumerators.
constexpr MetricRow rows[] = {
    {Metric::build_info, "kferry_build_info", info, "version,commit,wolfssl,backend",
     "The version of kferry, and what it runs on. Always 1."},
    {Metric::connections, "kferry_connections_total", counter, "cluster,listener",
     "Client connections accepted."},
    {Metric::connections_active, "kferry_connections_active", gauge, "cluster,listener,node",
     "Client connections now. node: the broker's id; bootstrap: a bootstrap server, whose id is not known; "
     "stand_in: another broker than the port's own; none: no broker is connected yet; other: ids beyond the "
     "first 1024."},
    {Metric::connections_closed, "kferry_connections_closed_total", counter, "cluster,listener,cause",
     "Client connections that have ended, by cause."},
    {Metric::probes, "kferry_probes_total", counter, "cluster,listener",
     "Connections that ended without a byte from the client: port scans, health checks."},
    {Metric::bytes, "kferry_bytes_total", counter, "cluster,listener,node,direction",
     "Bytes that the sockets have taken, without TLS. direction: to_broker, to_client; node: as for "
     "kferry_connections_active."},
    {Metric::spliced_bytes, "kferry_spliced_bytes_total", counter, "direction",
     "Bytes that the kernel moved from socket to socket. Also in kferry_bytes_total."},
    {Metric::requests, "kferry_requests_total", counter, "cluster,listener,api,version",
     "Requests of clients that were let pass or that kferry answers itself."},
    {Metric::requests_in_flight, "kferry_requests_in_flight", gauge, "cluster,listener",
     "Requests that wait for the end of their answer."},
    {Metric::requests_unanswered, "kferry_requests_unanswered_total", counter, "cluster,listener",
     "Requests whose connection ended before the end of their answer."},
    {Metric::request_duration, "kferry_request_duration_seconds", histogram, "cluster,listener,api,part",
     "Where the time of an answered request went. kferry: from its complete header until its first byte is "
     "handed to the broker's socket, and from the first bytes of the answer until they are handed to the "
     "client's socket. broker: from its last byte taken by the broker's socket to the first byte of the "
     "answer. client: from the first byte of the answer handed to the client's socket until that has taken "
     "the last one."},
    {Metric::rewrites, "kferry_rewrites_total", counter, "api", "Answers in which addresses were replaced."},
    {Metric::addresses_withheld, "kferry_addresses_withheld_total", counter, "api",
     "Brokers left out of answers, because a listener has no port for them."},
    {Metric::dials, "kferry_dials_total", counter, "cluster,node,outcome",
     "Brokers dialled for clients. node: the broker's id, or bootstrap. outcome: connected; unreachable, "
     "with all its addresses; host_lacks, for which no broker is to blame; abandoned, as its client left."},
    {Metric::dial_duration, "kferry_dial_duration_seconds", histogram, "cluster",
     "How long dials took that connected, with name resolution, TLS and waits for a broker's turn."},
    {Metric::stand_ins_active, "kferry_stand_ins_active", gauge, "",
     "Connections served by another broker than the port's own."},
    {Metric::topology_age, "kferry_topology_age_seconds", gauge, "cluster",
     "Time since a broker last confirmed what is known of the cluster. Absent until it is known."},
    {Metric::brokers, "kferry_brokers", gauge, "cluster,state",
     "Known brokers. listed: by the last full list; unlisted: not by it; provisional: by one client's answer "
     "alone."},
    {Metric::tls_handshakes, "kferry_tls_handshakes_total", counter, "side,version,resumed,outcome",
     "TLS handshakes. side: client, broker; version: 1.2, 1.3, unknown; resumed: yes, no; outcome: complete, "
     "failed."},
    {Metric::ktls_connections, "kferry_ktls_connections", gauge, "side,direction",
     "Connections whose TLS records the kernel handles. side: client, broker; direction: receive, send."},
    {Metric::authentications, "kferry_authentications_total", counter, "cluster,listener,mechanism,outcome",
     "SASL authentications of clients by their brokers, repeated ones included. mechanism: PLAIN, "
     "SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, GSSAPI, AWS_MSK_IAM, other; outcome: accepted, refused, "
     "unfinished."},
    {Metric::certificate_not_after, "kferry_certificate_not_after_seconds", gauge, "cluster,listener,store",
     "When the certificate that kferry shows ends, since the Unix epoch. listener: empty for an upstream; "
     "store: key_store."},
    {Metric::ports, "kferry_ports", gauge, "cluster,listener,state",
     "Ports of a listener. used: lead to a known broker; free: to no known broker; clashing: brokers without "
     "a port of their own."},
    {Metric::receive_buffers, "kferry_receive_buffers", gauge, "state",
     "Receive buffers of all workers. state: free, in_use."},
    {Metric::held_bytes, "kferry_held_bytes", gauge, "",
     "Bytes of connections in memory outside the receive buffers."},
    {Metric::audit_records, "kferry_audit_records_total", counter, "sink",
     "Audit records made, dropped ones included. sink: file, stdout. Absent without an audit trail."},
    {Metric::audit_dropped, "kferry_audit_dropped_total", counter, "sink",
     "Audit records dropped because their reader was too slow or refused them."},
    {Metric::log_dropped, "kferry_log_dropped_total", counter, "",
     "Log lines dropped because their reader was too slow."},
    {Metric::degraded, "kferry_degraded", gauge, "reason",
     "1 while the body of /health/ready has such a reason, else 0."},
    {Metric::draining, "kferry_draining", gauge, "", "1 while clients are asked to leave."},
    {Metric::reloads, "kferry_reloads_total", counter, "outcome",
     "Readings of the configuration since the start. applied; unchanged: without a difference; refused."},
    {Metric::last_reload_success, "kferry_config_last_reload_success_timestamp_seconds", gauge, "",
     "Unix time at which the configuration was last read without an error, at the start or by a reload."},
    {Metric::config_hash_info, "kferry_config_hash_info", info, "hash",
     "A digest of the configuration in force without its secrets. Always 1."},
    {Metric::worker_turns, "kferry_worker_turns_total", counter, "worker", "Turns of a worker's loop."},
    {Metric::process_start_time, "process_start_time_seconds", gauge, "",
     "Start time of the process since the Unix epoch in seconds."},
    {Metric::process_open_fds, "process_open_fds", gauge, "", "Number of open file descriptors."},
    {Metric::process_max_fds, "process_max_fds", gauge, "", "Maximum number of open file descriptors."},
    {Metric::process_resident_memory, "process_resident_memory_bytes", gauge, "",
     "Resident memory size in bytes."},
    {Metric::process_cpu, "process_cpu_seconds_total", counter, "",
     "Total user and system CPU time spent in seconds."},
};
static_assert(std::size(rows) == metrics_count);

}  // namespace

std::span<const MetricRow> metric_rows() {
  return rows;
}

std::string_view unit_of(const MetricRow& row) {
  std::string_view family = row.name;
  if (row.type == counter) family.remove_suffix(std::string_view("_total").size());
  for (const std::string_view unit : {"seconds", "bytes"})
    if (family.ends_with(unit)) return unit;
  return {};
}

}  // namespace kferry::operations
