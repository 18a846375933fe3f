// The configuration as plain structs, complete and valid. Made by config/load.h; knows nothing of run time.
// The initial value of a field that a row in key_table.cc names is that key's default.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/address_range.h"
#include "base/clock.h"
#include "base/host_port.h"
#include "base/limits.h"
#include "config/sni.h"
#include "config/tls.h"

namespace kferry::config {

enum class SecurityProtocol : std::uint8_t { plaintext, ssl, sasl_plaintext, sasl_ssl };
// By what a broker is identified: its port, or a name, which TLS (SNI) or a PROXY protocol header (authority) carries.
enum class Routing : std::uint8_t { port, sni, authority };
// Whether a connection begins with a PROXY protocol header.
enum class ProxyProtocol : std::uint8_t { off, optional, required };

// One port of a listener: the one that clients are told, and the one that kferry listens on.
struct Port {
  std::uint16_t advertised = 0;
  std::uint16_t local = 0;
};

struct Listener {
  std::string name;  // lower case
  SecurityProtocol security_protocol = SecurityProtocol::plaintext;
  Routing routing = Routing::port;
  std::vector<Port> ports;      // expanded, in order; the first is also the bootstrap port
  std::string advertised_host;  // with routing by name: the bootstrap name
  std::optional<SniNames> sni;  // set with routing by name
  std::optional<ListenerTls> tls;
  std::string bind_address = "0.0.0.0";  // a valid address literal
  std::int32_t min_broker_id = 0;
  std::vector<std::int32_t> ids;  // expanded `ids`; empty: modulo mapping

  // Who may connect.
  std::vector<AddressRange> allow_from;  // empty: every client
  std::vector<AddressRange> deny_from;   // takes precedence
  std::uint32_t max_connections = 0;     // 0: not limited
  std::uint32_t max_connections_per_address = 0;
  std::uint32_t max_connection_age_s = 0;  // 0: not limited
  ProxyProtocol proxy_protocol = ProxyProtocol::off;
  std::vector<AddressRange> proxy_protocol_from;  // whose headers are believed; empty: everyone's
  std::vector<std::string> allow_endpoints;  // cloud endpoints, as net/proxy_header.h writes them; empty: all
};

// kferry's own credentials, for discovery only.
struct SaslCredentials {
  // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512. Others may be configured, but discovery cannot use them.
  std::string mechanism;
  std::string username;
  std::string password;  // secret: never logged
};

// What to do when the bootstrap servers report another cluster id than the one learnt.
enum class OnClusterChange : std::uint8_t { follow, refuse };

struct Upstream {
  std::vector<HostPort> bootstrap_servers;
  SecurityProtocol security_protocol = SecurityProtocol::plaintext;
  std::optional<SaslCredentials> sasl;
  std::optional<UpstreamTls> tls;
  OnClusterChange on_cluster_change = OnClusterChange::follow;
  std::uint32_t dial_budget_ms = 10'000;
  bool lend_identity = false;  // a client certificate may be used behind a listener that requires none
};

struct Cluster {
  std::string name;
  Upstream upstream;
  std::vector<Listener> listeners;
  std::vector<std::int16_t> pass_api_keys;
};

// automatic: io_uring, or epoll where that is unavailable.
enum class Backend : std::uint8_t { automatic, io_uring, epoll };

struct Engine {
  std::uint32_t workers = 0;  // 0: one per core that this process may run on
  Backend backend = Backend::automatic;
  bool pin_workers = false;  // each worker to one of the cores that this process may run on, in order
  std::uint64_t splice_threshold_bytes = 32 * KiB;  // of a frame's opaque rest; 0: never splice
  std::uint32_t receive_buffers = 256;              // of each worker; a power of two
  std::uint32_t receive_buffer_size_bytes = 16 * KiB;
  std::uint32_t receive_size_bytes = 64 * KiB;  // of one receive; a direction keeps at most twice as much
  // After a receive of at most this much the next one is multishot; 0: never.
  std::uint32_t standing_receive_bytes = 4 * KiB;
  // Beyond records of this size, kferry looks at what follows while it is still in the socket, so that it can
  // splice as much as possible at once; 0: never.
  std::uint32_t look_ahead_bytes = 8 * KiB;
  std::string congestion_control;  // of TCP, on both sides; empty: the host's
};

// What all TLS connections share.
struct Tls {
  // Whether a direction's keys are handed to the kernel after the handshake, where it supports that.
  bool kernel_receive = true;
  bool kernel_send = true;
  // How often stores are read again besides being watched.
  std::uint32_t update_interval_minutes = 5;
};

struct Limits {
  std::uint32_t upstream_connect_timeout_ms = 5'000;
  std::uint32_t tls_handshake_timeout_ms = 10'000;
  std::uint32_t first_byte_timeout_ms = 60'000;
  std::uint32_t keepalive_idle_s = 60;
  std::uint32_t keepalive_interval_s = 10;
  std::uint32_t keepalive_probes = 3;
  std::uint32_t lame_duck_s = 5;
  std::uint32_t drain_deadline_s = 60;
  std::uint32_t unanswered_requests = unanswered_requests_max;
  std::uint64_t request_size_bytes = request_size_max;
  std::uint64_t held_size_bytes = held_size_max;
  std::uint32_t discovery_interval_s = 300;
  std::uint32_t brokers_per_cluster = 4096;
  std::uint32_t connections = 0;         // 0: as many as the process may have descriptors for
  std::uint32_t accepts_per_second = 0;  // 0: not limited
  std::uint64_t memory_bytes = 0;        // 0: not limited
  std::uint32_t refused_close_delay_ms = 500;
};

enum class LogFormat : std::uint8_t { text, json };
// Which events are logged: those at least as severe. In this order.
enum class LogLevel : std::uint8_t { off, error, warning, info, debug };

enum class AuditFormat : std::uint8_t { json, ocsf };

struct Operations {
  // Of the HTTP endpoint: every path.
  std::string bind_host = "127.0.0.1";
  std::uint16_t port = 8888;
  // Further addresses, each for some paths alone. Port 0: that of `port`.
  std::optional<HostPort> metrics_bind;
  std::optional<HostPort> health_bind;
  bool http_configured = false;  // false: every address and port above is the default
  std::string audit = "off";     // or "stdout", or an absolute path
  AuditFormat audit_format = AuditFormat::json;
  std::string control = "/run/kferry/control.sock";  // the path of a Unix socket; "off": no control socket
  LogFormat log_format = LogFormat::text;
  LogLevel log_level = LogLevel::info;
};

struct Config {
  std::vector<Cluster> clusters;
  Engine engine;
  Tls tls;
  Limits limits;
  Operations operations;
};

}  // namespace kferry::config
