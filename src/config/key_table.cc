// The rows of config/keys.h. CONTRIBUTING.md says how to add one.
#include <limits>

#include "base/limits.h"
#include "config/key_row.h"
#include "config/security_protocol.h"

namespace kferry::config {
namespace {

using namespace row;
using enum Table;

constexpr std::int64_t day_s = 86'400;
constexpr std::int64_t day_ms = day_s * 1000;
constexpr std::int64_t week_minutes = 7 * 24 * 60;
// The kernel's own bounds (include/net/tcp.h: MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL, MAX_TCP_KEEPCNT).
constexpr std::int64_t keepalive_s_max = 32'767;
constexpr std::int64_t keepalive_probes_max = 127;
// More than a process can have descriptors for (the kernel's default of fs.nr_open is 1,048,576).
constexpr std::int64_t connections_max = 10'000'000;

// In the order of the enumerators.
constexpr std::array<std::string_view, 3> routing_words{"port", "sni", "authority"};
constexpr std::array<std::string_view, 3> proxy_protocol_words{"off", "optional", "required"};
constexpr std::array<std::string_view, 2> on_cluster_change_words{"follow", "refuse"};
constexpr std::array<std::string_view, 3> client_auth_words{"NONE", "OPTIONAL", "REQUIRE"};
constexpr std::array<std::string_view, 3> backend_words{"auto", "io_uring", "epoll"};
// Read by log_words.cc, because several words mean the same: those behind are Log4j's.
constexpr std::array<std::string_view, 2> audit_format_words{"json", "ocsf"};
constexpr std::array<std::string_view, 3> log_format_words{"text", "json", "pattern"};
constexpr std::array<std::string_view, 9> log_level_words{"off",   "error", "warning", "info", "debug",
                                                          "fatal", "warn",  "trace",   "all"};

constexpr Key rows[] = {
    list(cluster, "pass_api_keys", "none", "API keys to let through although kferry would hide them."),

    list(upstream, "bootstrap_servers", "required", "The brokers to start from, as host:port."),
    choice<&Upstream::security_protocol>("security_protocol", security_protocol_names,
                                         "The protocol that the brokers speak."),
    text(upstream, "sasl_mechanism", "PLAIN with its login module",
         "The mechanism of kferry's own discovery: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."),
    secret(text(upstream, "sasl_jaas_config", "none",
                "Credentials for discovery, never used for a client's session.")),
    text(upstream, "ssl_truststore_location", "the system's authorities",
         "The store of authorities and pinned certificates that kferry verifies brokers with."),
    secret(text(upstream, "ssl_truststore_password", "none", "The trust store's password.")),
    ignored(text(upstream, "ssl_truststore_type", "none", "The content of a store decides its type.")),
    text(upstream, "ssl_truststore_certificates", "none", "The trusted certificates inline, as PEM."),
    text(upstream, "ssl_keystore_location", "none", "The store of kferry's client certificate and its key."),
    secret(text(upstream, "ssl_keystore_password", "none", "The key store's password.")),
    ignored(text(upstream, "ssl_keystore_type", "none", "The content of a store decides its type.")),
    secret(text(upstream, "ssl_keystore_key", "none", "The client certificate's key inline, as PEM.")),
    text(upstream, "ssl_keystore_certificate_chain", "none",
         "The client certificate and its chain inline, as PEM."),
    secret(text(upstream, "ssl_key_password", "the key store's", "The password of the key.")),
    text(upstream, "ssl_key_alias", "the first key", "Which key to use of a store that holds several."),
    text(upstream, "ssl_crl_location", "none", "Revocation lists of the brokers' issuers."),
    list(upstream, "ssl_enabled_protocols", "TLSv1.2,TLSv1.3", "The versions of TLS to offer."),
    text(upstream, "ssl_protocol", "TLSv1.3",
         "The highest version of TLS to offer, if ssl_enabled_protocols is not set."),
    list(upstream, "ssl_cipher_suites", "ECDHE with an AEAD",
         "The cipher suites to offer, by OpenSSL's or Java's names."),
    list(upstream, "ssl_curves", "X25519:P-256:P-384:P-521", "The key exchange groups to offer."),
    text(upstream, "ssl_endpoint_identification_algorithm", "https",
         "Set but empty, it switches off the verification of the brokers' host names."),
    choice<&Upstream::on_cluster_change>(
        "on_cluster_change", on_cluster_change_words,
        "Whether to follow bootstrap servers that report another cluster id, or to refuse it."),
    integer<&Upstream::dial_budget_ms>("dial_budget_ms", 1, day_ms,
                                       "How long DNS, TCP, TLS and stand-ins may take together."),
    boolean<&Upstream::lend_identity>(
        "lend_identity", "Allows a client certificate behind a listener that does not require one."),

    required(choice<&Listener::security_protocol>("security_protocol", security_protocol_names,
                                                  "The protocol that clients speak.")),
    choice<&Listener::routing>(
        "routing", routing_words,
        "By what a broker is identified: its port, or the name that TLS or a PROXY protocol header has."),
    list(listener, "ports", "required",
         "Comma separated p, a-b, advertised:local or a-b:c-d; the first is also the bootstrap port."),
    text(listener, "advertised_host", "the bind address if concrete",
         "The name or address that kferry advertises to clients."),
    text(listener, "advertised_host_pattern", "required with sni",
         "The brokers' names, with {{nodeId}} in place of the id."),
    text(listener, "bootstrap_host_pattern", "derived",
         "The name that clients bootstrap at, with routing by SNI."),
    text(listener, "bind_address", "0.0.0.0", "The local address to listen on."),
    choice(listener, "ssl_client_auth", client_auth_words, "GATEWAY_SSL_CLIENT_AUTH",
           "Whether clients must show a certificate."),
    text(listener, "ssl_key_alias", "GATEWAY_SSL_KEY_ALIAS",
         "Which key to use of a store that holds several."),
    from("GATEWAY_MIN_BROKERID",
         integer<&Listener::min_broker_id>("min_broker_id", 0, std::numeric_limits<std::int32_t>::max(),
                                           "The id of the broker that has the first port.")),
    list(listener, "ids", "none",
         "The brokers' ids, such as 100-102,200, in the order of the ports; others have no port."),
    list(listener, "allow_from", "everyone", "The clients that may connect, as addresses and CIDR ranges."),
    list(listener, "deny_from", "none", "The clients that may not connect, whatever allow_from says."),
    integer<&Listener::max_connections>("max_connections", 0, connections_max,
                                        "Connections of the listener at once; 0: not limited."),
    integer<&Listener::max_connections_per_address>(
        "max_connections_per_address", 0, connections_max,
        "Connections of the listener at once from one client address; 0: not limited."),
    integer<&Listener::max_connection_age_s>(
        "max_connection_age_s", 0, 365 * day_s,
        "A connection of this age, 10 % more or less, ends once it is answered; 0: never."),
    choice<&Listener::proxy_protocol>(
        "proxy_protocol", proxy_protocol_words,
        "Whether connections begin with a PROXY protocol header, version 1 or 2, that names the client."),
    list(listener, "proxy_protocol_from", "required off loopback",
         "The load balancers whose PROXY protocol headers are believed, as addresses and CIDR ranges."),
    list(
        listener, "allow_endpoints", "all",
        "The cloud endpoints that may connect: vpce-… of AWS, azure:N, gcp:N, as a PROXY header names them."),

    from("GATEWAY_SSL_KEY_STORE_PATH",
         text(listener_tls, "certificate", "required", "The file with the certificate and its chain.")),
    text(listener_tls, "key", "in certificate", "The file with the private key."),
    from("GATEWAY_SSL_KEY_STORE_PASSWORD",
         secret(text(listener_tls, "password", "none", "The password of certificate."))),
    from("GATEWAY_SSL_KEY_PASSWORD",
         secret(text(listener_tls, "key_password", "password", "The password of the key."))),
    only_from("GATEWAY_SSL_KEY_TYPE",
              ignored(text(listener_tls, "key_type", "none", "The content of a store decides its type."))),
    from("GATEWAY_SSL_KEY_ALIAS", text(listener_tls, "key_alias", "by the host name",
                                       "Which key to use of a store that holds several.")),
    from("GATEWAY_SSL_TRUST_STORE_PATH",
         text(listener_tls, "client_cas", "required with client certificates",
              "The store of authorities and pinned certificates that kferry verifies clients with.")),
    from("GATEWAY_SSL_TRUST_STORE_PASSWORD",
         secret(text(listener_tls, "client_cas_password", "none", "The password of client_cas."))),
    only_from("GATEWAY_SSL_TRUST_STORE_TYPE", ignored(text(listener_tls, "trust_store_type", "none",
                                                           "The content of a store decides its type."))),
    only_from("GATEWAY_SSL_CLIENT_AUTH",
              choice(listener_tls, "client_auth", client_auth_words, "NONE",
                     "Whether clients must show a certificate, where a listener does not say.")),
    from("GATEWAY_SSL_CRL_PATH",
         text(listener_tls, "crl", "none", "Revocation lists of the clients' issuers.")),
    from("GATEWAY_SSL_REQUIRED_SUBJECTS",
         separated_by(';', list(listener_tls, "required_subjects", "any",
                                "Rules over a client certificate's subject, one of which must match."))),
    from("GATEWAY_SSL_ENABLED_PROTOCOLS",
         list(listener_tls, "enabled_protocols", "TLSv1.2,TLSv1.3", "The versions of TLS to accept.")),
    from("GATEWAY_SSL_CIPHER_SUITES", list(listener_tls, "cipher_suites", "ECDHE with an AEAD",
                                           "The cipher suites to accept, by OpenSSL's or Java's names.")),
    from("GATEWAY_SSL_CURVES",
         list(listener_tls, "curves", "X25519:P-256:P-384:P-521", "The key exchange groups to accept.")),

    integer<&Engine::workers>("workers", 0, 1024, "Threads; 0: one per core that kferry may run on."),
    choice<&Engine::backend>(
        "backend", backend_words,
        "How sockets are driven; auto takes io_uring, or epoll where that is unavailable."),
    on_or_off<&Engine::pin_workers>("pin_workers",
                                    "Keeps each worker on one of the cores that kferry may run on."),
    integer<&Engine::splice_threshold_bytes>(
        "splice_threshold_bytes", 0, std::numeric_limits<std::int64_t>::max(),
        "The smallest remainder of a frame that splice(2) moves inside the kernel; 0: never."),
    integer<&Engine::receive_buffers>("receive_buffers", 64, 32'768,
                                      "Receive buffers of each worker, rounded up to a power of two."),
    integer<&Engine::receive_buffer_size_bytes>("receive_buffer_size_bytes", 4 * KiB, 1 * MiB,
                                                "The size of a receive buffer."),
    integer<&Engine::receive_size_bytes>(
        "receive_size_bytes", 4 * KiB, 16 * MiB,
        "The size of one receive; a direction of a connection keeps at most twice as much."),
    integer<&Engine::standing_receive_bytes>(
        "standing_receive_bytes", 0, 1 * MiB,
        "After a receive of at most this much, the next one is multishot (Linux 6.17); 0: never."),
    integer<&Engine::look_ahead_bytes>("look_ahead_bytes", 0, 1 * MiB,
                                       "After records longer than this, look at what follows while it is "
                                       "still in the socket (Linux 6.9); 0: never."),
    text(engine, "congestion_control", "the host's",
         "TCP's congestion control on both sides, such as cubic or bbr, as far as the kernel has it."),

    on_or_off<&Tls::kernel_receive>("kernel_receive",
                                    "Hands the receive keys to the kernel where it supports that."),
    on_or_off<&Tls::kernel_send>("kernel_send", "Hands the send keys to the kernel where it supports that."),
    from(
        "GATEWAY_SSL_UPDATE_CONTEXT_INTERVAL_MINUTES",
        integer<&Tls::update_interval_minutes>("update_interval_minutes", 1, week_minutes,
                                               "How often every store is read again besides being watched.")),

    integer<&Limits::upstream_connect_timeout_ms>("upstream_connect_timeout_ms", 1, day_ms,
                                                  "How long connecting to a broker's address may take."),
    integer<&Limits::tls_handshake_timeout_ms>("tls_handshake_timeout_ms", 1, day_ms,
                                               "How long a TLS handshake may take, on either side."),
    integer<&Limits::first_byte_timeout_ms>("first_byte_timeout_ms", 1, day_ms,
                                            "How long a client may stay silent after connecting."),
    integer<&Limits::keepalive_idle_s>("keepalive_idle_s", 1, keepalive_s_max,
                                       "Silence before the first TCP keep-alive probe, on both sides."),
    integer<&Limits::keepalive_interval_s>("keepalive_interval_s", 1, keepalive_s_max,
                                           "The time between two keep-alive probes."),
    integer<&Limits::keepalive_probes>("keepalive_probes", 1, keepalive_probes_max,
                                       "Unanswered keep-alive probes that end a connection."),
    integer<&Limits::lame_duck_s>(
        "lame_duck_s", 0, day_s,
        "How long kferry still accepts after SIGTERM, while /health/ready says 503."),
    integer<&Limits::drain_deadline_s>("drain_deadline_s", 0, day_s,
                                       "How long a drain, or a connection being retired, waits for "
                                       "answers; what is left is reset."),
    integer<&Limits::unanswered_requests>(
        "unanswered_requests", 2, 1'000'000,
        "Requests of one connection that may await their answer; reading pauses there and resumes at half."),
    integer<&Limits::request_size_bytes>("request_size_bytes", 1 * KiB, response_size_max,
                                         "A longer request ends its connection."),
    integer<&Limits::held_size_bytes>("held_size_bytes", exact_rewrite_size_max, request_size_max,
                                      "How much of one frame may be held."),
    integer<&Limits::discovery_interval_s>("discovery_interval_s", 1, day_s,
                                           "The time between two rounds of kferry's own discovery."),
    integer<&Limits::brokers_per_cluster>(
        "brokers_per_cluster", 1, 65'536,
        "Brokers that are remembered of one cluster; a longer list teaches nothing."),
    integer<&Limits::connections>("connections", 0, connections_max,
                                  "Client connections at once; 0: as many as kferry may have descriptors."),
    integer<&Limits::accepts_per_second>(
        "accepts_per_second", 0, 1'000'000,
        "New connections per second; what exceeds it is refused. 0: not limited."),
    integer<&Limits::memory_bytes>("memory_bytes", 0, std::numeric_limits<std::int64_t>::max(),
                                   "New connections are refused while kferry's resident memory is above "
                                   "this; open ones continue. 0: not limited."),
    integer<&Limits::refused_close_delay_ms>(
        "refused_close_delay_ms", 0, 60'000,
        "How long a refused connection waits for its close, half more or less."),

    at_start(text(operations, "bind", "127.0.0.1:8888",
                  "The address:port of health and metrics; no listener may use the port.")),
    at_start(only_from("GATEWAY_HTTP_PORT",
                       integer<&Operations::port>("http_port", 1, 65'535, "The port of bind."))),
    at_start(
        only_from("GATEWAY_HTTP_BIND", text(operations, "http_bind", "127.0.0.1", "The address of bind."))),
    from("GATEWAY_METRICS_BIND",
         at_start(
             text(operations, "metrics_bind", "none",
                  "One more address, or address:port, for /metrics alone; without a port: that of bind."))),
    from(
        "GATEWAY_HEALTH_BIND",
        at_start(text(
            operations, "health_bind", "none",
            "One more address, or address:port, for the health paths alone; without a port: that of bind."))),
    from("GATEWAY_CONTROL",
         at_start(text<&Operations::control>(
             "control", "The socket that kferry reload and its like speak to; off: it has none."))),
    from("GATEWAY_AUDIT",
         at_start(text<&Operations::audit>(
             "audit", "Where the audit trail goes: stdout, or a file of this absolute path; off: nowhere."))),
    at_start(choice<&Operations::audit_format>("audit_format", audit_format_words,
                                               "How an audit record is written.")),
    at_start(from("GATEWAY_LOG_FORMAT", choice(operations, "log_format", log_format_words, "text",
                                               "How a line of the log is written; pattern: as text."))),
    from("GATEWAY_LOG_LEVEL",
         choice(operations, "log_level", log_level_words, "info",
                "What is logged: events at least this severe; fatal: as error, trace and all: as debug.")),

    variable("GATEWAY_LISTENER_NAMES", "none",
             "Comma separated names of listeners: a letter, then letters and digits, in any case."),
    variable("GATEWAY_ENV_FILE", "none",
             "A file of [export ]NAME=value lines; the process environment takes precedence."),
    variable("LOG4J2_APPENDER_LAYOUT", "none", "Another name of GATEWAY_LOG_FORMAT, which wins."),
    variable("LOG4J2_ROOT_LEVEL", "none", "Another name of GATEWAY_LOG_LEVEL, which wins."),
    variable("GATEWAY_SECURITY_MODE", "KAFKA_MANAGED", "Must be KAFKA_MANAGED: kferry stores no users."),
    variable("GATEWAY_ACL_ENABLED", "false", "Must be false: the brokers enforce ACLs."),
    ignored(secret(variable("GATEWAY_LICENSE_KEY", "none", "Accepted, but not needed."))),
};

}  // namespace

std::span<const Key> all_keys() {
  return rows;
}

}  // namespace kferry::config
