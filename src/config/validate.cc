#include "config/validate.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/counted.h"
#include "base/limits.h"
#include "base/socket_address.h"
#include "config/host_names.h"
#include "config/jaas.h"
#include "config/port_lists.h"
#include "config/section_reader.h"
#include "config/security_protocol.h"
#include "config/sni.h"
#include "config/suggestion.h"
#include "config/text.h"
#include "config/validate_tls.h"

namespace kferry::config {
namespace {

class Validation : private SectionReader {
 public:
  Validation(const Draft& draft, Report& report) : SectionReader(report), draft_(draft) {}

  Config run() {
    Config config;
    for (const DraftCluster& cluster : draft_.clusters) config.clusters.push_back(read_cluster(cluster));
    if (draft_.clusters.empty()) {
      report_.error(
          "configuration", "no cluster is configured",
          "set KAFKA_BOOTSTRAP_SERVERS, GATEWAY_LISTENER_NAMES and the listener's variables, or write "
          "[cluster.NAME.upstream] and [cluster.NAME.listener.NAME] into " +
              std::string(default_path));
    }
    read_engine(config.engine);
    read_limits(config.limits);
    read_operations(config.operations);
    read_tls(config.tls);
    return config;
  }

 private:
  Cluster read_cluster(const DraftCluster& draft) {
    Cluster cluster;
    cluster.name = draft.name;
    if (const Setting* keys = find(draft.settings, "pass_api_keys")) {
      for (const std::string& item : keys->items) {
        const auto key = parse_integer(trim(item));
        if (!key || *key < 0 || *key > std::numeric_limits<std::int16_t>::max()) {
          report_.error(keys->where, "pass_api_keys holds " + quoted(item),
                        "list API keys as numbers from 0 to 32767");
        } else {
          cluster.pass_api_keys.push_back(static_cast<std::int16_t>(*key));
        }
      }
    }
    upstream_tls_known_ = true;
    cluster.upstream = read_upstream(draft);
    if (draft.listeners.empty()) {
      report_.error(draft.where, "cluster " + draft.name + " has no listener",
                    draft.from_variables
                        ? "set GATEWAY_LISTENER_NAMES=external and GATEWAY_LISTENER_EXTERNAL_PORTS"
                        : "write [cluster." + draft.name + ".listener.external] with its ports");
    }
    for (const DraftListener& listener : draft.listeners) {
      cluster.listeners.push_back(read_listener(listener, draft, cluster.upstream));
    }
    return cluster;
  }

  // How an operator writes a setting that is missing.
  static std::string upstream_name(const DraftCluster& cluster, const std::string& key) {
    return cluster.from_variables ? "KAFKA_" + upper(key)
                                  : key + " in [cluster." + cluster.name + ".upstream]";
  }
  static std::string listener_name(const DraftCluster& cluster, const DraftListener& listener,
                                   const std::string& key) {
    return listener.from_variables
               ? "GATEWAY_LISTENER_" + upper(listener.name) + "_" + upper(key)
               : key + " in [cluster." + cluster.name + ".listener." + listener.name + "]";
  }

  Upstream read_upstream(const DraftCluster& draft) {
    Upstream upstream;
    const Section& section = draft.upstream;
    if (const Setting* servers = find(section, "bootstrap_servers")) {
      take(*servers, parse_servers(servers->items), upstream.bootstrap_servers);
    } else if (!section.contains("bootstrap_servers")) {
      const std::string name = upstream_name(draft, "bootstrap_servers");
      report_.error(draft.from_variables ? name : draft.where, name + " is missing",
                    "list the brokers to start from, such as kafka1:9092,kafka2:9092");
    }
    const Setting* protocol = find(section, "security_protocol");
    if (protocol != nullptr) {
      const std::size_t before = report_.problems.size();
      take(*protocol, parse_security_protocol(protocol->text), upstream.security_protocol);
      upstream_tls_known_ = before == report_.problems.size();
    }
    if (upstream_tls_known_) upstream.tls = read_upstream_tls(draft, upstream.security_protocol, report_);
    read_credentials(section, upstream);
    if (const Setting* lend = find(section, "lend_identity");
        lend != nullptr && lend->text != "true" && lend->text != "false") {
      report_.error(lend->where, "lend_identity is neither true nor false", "write true or false");
    }
    return upstream;
  }

  void read_credentials(const Section& section, Upstream& upstream) {
    const Setting* jaas_text = find(section, "sasl_jaas_config");
    const Setting* mechanism = find(section, "sasl_mechanism");
    if (!uses_sasl(upstream.security_protocol)) {
      for (const Setting* setting : {jaas_text, mechanism}) {
        if (setting != nullptr && upstream_tls_known_) {
          report_.warn(setting->where,
                       "SASL is configured, but the upstream's security protocol has none: ignored",
                       "set security_protocol to SASL_PLAINTEXT or SASL_SSL, or remove it");
        }
      }
      return;
    }
    if (jaas_text == nullptr) return;
    auto jaas = parse_jaas(jaas_text->text);
    if (!jaas) {
      report_.error(jaas_text->where, jaas.error().what, jaas.error().remedy);
      return;
    }
    const std::string_view module = std::string_view(jaas->module).substr(jaas->module.rfind('.') + 1);
    const bool plain = module == "PlainLoginModule";
    const bool scram = module == "ScramLoginModule";
    SaslCredentials credentials;
    if (mechanism != nullptr) {
      credentials.mechanism = upper(trim(mechanism->text));
    } else if (plain) {
      credentials.mechanism = "PLAIN";
    } else {
      report_.error(jaas_text->where, "sasl_jaas_config is set without sasl_mechanism",
                    "set KAFKA_SASL_MECHANISM (sasl_mechanism), such as SCRAM-SHA-512");
      return;
    }
    const bool scram_mechanism =
        credentials.mechanism == "SCRAM-SHA-256" || credentials.mechanism == "SCRAM-SHA-512";
    if (credentials.mechanism != "PLAIN" && !scram_mechanism) {
      static const std::vector<std::string> known{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER",
                                                  "GSSAPI"};
      const auto guess = nearest(credentials.mechanism, known);
      if (std::find(known.begin(), known.end(), credentials.mechanism) == known.end() && guess) {
        report_.error(mechanism->where, quoted(mechanism->text) + " is not a SASL mechanism",
                      "did you mean " + *guess + "?");
        return;
      }
      report_.warn(mechanism->where,
                   "kferry cannot authenticate by " + quoted(credentials.mechanism) +
                       ": it learns the brokers from clients' connections alone",
                   "give PLAIN or SCRAM credentials for discovery, or leave it so");
    } else if ((credentials.mechanism == "PLAIN") != plain || scram_mechanism != scram) {
      report_.error(jaas_text->where,
                    "the JAAS login module does not belong to mechanism " + credentials.mechanism,
                    std::string("use org.apache.kafka.common.security.") +
                        (scram_mechanism ? "scram.ScramLoginModule" : "plain.PlainLoginModule") +
                        ", or the mechanism of the module");
      return;
    } else {
      for (const char* option : {"username", "password"}) {
        const auto found = jaas->options.find(option);
        if (found == jaas->options.end() || found->second.empty()) {
          report_.error(jaas_text->where, std::string("the JAAS text has no ") + option,
                        std::string("add ") + option + "=\"…\" before the ';'");
        }
      }
    }
    credentials.username = jaas->options["username"];
    credentials.password = jaas->options["password"];
    upstream.sasl = std::move(credentials);
  }

  Listener read_listener(const DraftListener& draft, const DraftCluster& cluster, const Upstream& upstream) {
    Listener listener;
    listener.name = draft.name;
    const Section& section = draft.settings;
    const auto missing = [&](const std::string& key, const std::string& remedy) {
      if (section.contains(key)) return;  // its fault has been told
      const std::string name = listener_name(cluster, draft, key);
      report_.error(draft.from_variables ? name : draft.where, name + " is missing", remedy);
    };

    bool protocol_known = false;
    if (const Setting* protocol = find(section, "security_protocol")) {
      const std::size_t before = report_.problems.size();
      take(*protocol, parse_security_protocol(protocol->text), listener.security_protocol);
      protocol_known = before == report_.problems.size();
      if (protocol_known) {
        check_listener_protocol(*protocol, cluster, listener, upstream);
        listener.tls =
            read_listener_tls(draft, cluster, shared_tls(cluster), listener.security_protocol, report_);
      }
    } else {
      missing("security_protocol", "set it to PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL");
    }

    if (choice(section, "routing", {"port", "sni"}) == "sni") listener.routing = Routing::sni;
    if (const Setting* ports = find(section, "ports")) {
      take(*ports, parse_ports(ports->text), listener.ports);
      if (listener.routing == Routing::sni && listener.ports.size() > 1) {
        report_.error(ports->where,
                      "routing by SNI takes exactly one port, not " + std::to_string(listener.ports.size()),
                      "list one port: the name tells the broker");
      }
    } else {
      missing("ports", "list one port for each broker, such as 6969-6971");
    }
    if (listener.routing == Routing::sni) {
      read_sni(protocol_known, listener, draft, cluster);
    } else {
      warn_of_patterns(section);
    }

    std::optional<SocketAddress> bind = SocketAddress::parse(listener.bind_address, 0);
    if (const Setting* address = find(section, "bind_address")) {
      std::string_view text = trim(address->text);
      if (text.size() > 2 && text.front() == '[' && text.back() == ']')
        text = text.substr(1, text.size() - 2);
      bind = SocketAddress::parse(text, 0);
      if (bind) {
        listener.bind_address = std::string(text);
      } else {
        report_.error(address->where, quoted(address->text) + " is not a valid IP address",
                      "write one IPv4 or IPv6 address, or 0.0.0.0 (:: for IPv6) for every interface");
      }
    }
    if (listener.routing == Routing::sni) {
      take_bootstrap_name(section, listener);
    } else if (const Setting* host = find(section, "advertised_host")) {
      take(*host, parse_host(host->text), listener.advertised_host);
    } else if (bind && !bind->is_wildcard()) {
      listener.advertised_host = listener.bind_address;
    } else if (bind) {
      missing("advertised_host", "set the name or address under which clients reach kferry");
    }

    integer(section, "min_broker_id", 0, std::numeric_limits<std::int32_t>::max(), listener.min_broker_id);
    if (const Setting* ids = find(section, "ids")) {
      const std::size_t before = report_.problems.size();
      take(*ids, parse_ids(ids->text), listener.ids);
      if (before == report_.problems.size() && !listener.ports.empty() && listener.routing == Routing::port &&
          listener.ids.size() > listener.ports.size()) {
        report_.error(ids->where,
                      counted(listener.ids.size(), "id") + " for " + counted(listener.ports.size(), "port"),
                      "list " + counted(listener.ids.size(), "port") + ", or fewer ids");
      }
    }
    if (protocol_known) check_identity(draft, listener, upstream, cluster);
    if (listener.tls) listener.tls->identity.hosts = hosts_of(listener);
    return listener;
  }

  // The names by which clients reach it.
  static std::vector<std::string> hosts_of(const Listener& listener) {
    if (listener.sni) return {listener.sni->bootstrap, listener.sni->pattern()};
    if (listener.advertised_host.empty()) return {};
    return {listener.advertised_host};
  }

  // GATEWAY_SSL_… is for the listeners of `default`.
  const Section* shared_tls(const DraftCluster& cluster) const {
    return cluster.name == "default" ? &draft_.listener_tls : nullptr;
  }

  void check_listener_protocol(const Setting& protocol, const DraftCluster& cluster, const Listener& listener,
                               const Upstream& upstream) {
    if (upstream_tls_known_ &&
        uses_sasl(listener.security_protocol) != uses_sasl(upstream.security_protocol)) {
      report_.error(protocol.where,
                    "listener " + listener.name + " of cluster " + cluster.name + " has " +
                        std::string(name_of(listener.security_protocol)) + " and its upstream " +
                        std::string(name_of(upstream.security_protocol)) +
                        ": SASL is end to end, from the client to the broker",
                    "use SASL on both sides or on neither");
    }
  }

  void read_sni(bool protocol_known, Listener& listener, const DraftListener& draft,
                const DraftCluster& cluster) {
    const Section& section = draft.settings;
    if (protocol_known && !uses_tls(listener.security_protocol)) {
      report_.error(find(section, "routing")->where, "routing by SNI on a listener without TLS",
                    "set its security protocol to SSL or SASL_SSL, or routing to port");
    }
    for (const char* key : {"ids", "min_broker_id"}) {
      const Setting* setting = find(section, key);
      // One GATEWAY_MIN_BROKERID stands for every listener.
      if (setting == nullptr || setting->where.starts_with("GATEWAY_MIN_BROKERID")) continue;
      report_.warn(setting->where, std::string(key) + " means nothing to routing by SNI: ignored",
                   "remove it: the name tells the broker");
    }
    const Setting* pattern = find(section, "advertised_host_pattern");
    if (pattern == nullptr) {
      if (section.contains("advertised_host_pattern")) return;
      const std::string name = listener_name(cluster, draft, "advertised_host_pattern");
      report_.error(draft.from_variables ? name : draft.where, name + " is missing",
                    "routing by SNI needs a pattern such as broker-{{nodeId}}.kafka.example.com");
      return;
    }
    HostPattern host;
    const std::size_t before = report_.problems.size();
    take(*pattern, parse_host_pattern(pattern->text), host);
    if (before != report_.problems.size()) return;
    SniNames names{std::move(host.before), std::move(host.after), {}};
    const Setting* bootstrap = find(section, "bootstrap_host_pattern");
    if (bootstrap == nullptr) {
      names.bootstrap = derived_bootstrap(names.before, names.after);
    } else if (bootstrap->text.find(node_id_mark) != std::string::npos) {
      report_.error(bootstrap->where, "the bootstrap pattern contains {{nodeId}}",
                    "write the one name that clients begin with");
      return;
    } else {
      take(*bootstrap, parse_server_name(bootstrap->text), names.bootstrap);
    }
    const Setting& place = bootstrap == nullptr ? *pattern : *bootstrap;
    if (before != report_.problems.size()) return;
    if (!parse_server_name(names.bootstrap)) {
      report_.error(place.where,
                    names.bootstrap.empty()
                        ? "the pattern leaves no name for clients to begin with"
                        : "the pattern leaves " + quoted(names.bootstrap) +
                              " for clients to begin with, which none of them sends as a server name (SNI)",
                    "set BOOTSTRAP_HOST_PATTERN to a host name, such as broker.kafka.example.com");
    } else if (const SniNames brokers{names.before, names.after, {}}; sni_target(brokers, names.bootstrap)) {
      report_.error(place.where, quoted(names.bootstrap) + " is the name of a broker too",
                    "set BOOTSTRAP_HOST_PATTERN to a name of its own");
    } else {
      warn_of_java(names, *pattern, bootstrap);
      listener.sni = std::move(names);
    }
  }

  void warn_of_java(const SniNames& names, const Setting& pattern, const Setting* bootstrap) {
    const auto warn = [&](const Setting& setting, const std::string& host, std::string_view why,
                          const std::string& remedy) {
      report_.warn(
          setting.where,
          "Java clients send no server name (SNI) for " + host + " (" + std::string(why) +
              "): kferry refuses their connections, because the server name is missing",
          "for Java clients " + remedy +
              " of at least two labels of letters, digits and inner hyphens; librdkafka and Go do send this "
              "name");
    };
    const std::string broker = names.host_of(NodeId{0});
    const std::string_view broker_unsent = unsent_by_java(broker);
    if (!broker_unsent.empty())
      warn(pattern, broker, broker_unsent, "use names such as broker-{{nodeId}}.kafka.example.com,");
    const std::string_view bootstrap_unsent = unsent_by_java(names.bootstrap);
    // A bootstrap name that follows from the pattern usually has the same fault.
    if (bootstrap_unsent.empty() || (bootstrap == nullptr && !broker_unsent.empty())) return;
    warn(bootstrap == nullptr ? pattern : *bootstrap, names.bootstrap, bootstrap_unsent,
         "set BOOTSTRAP_HOST_PATTERN to a name");
  }

  // What clients begin with is the bootstrap name, whatever else is advertised.
  void take_bootstrap_name(const Section& section, Listener& listener) {
    if (!listener.sni) return;
    listener.advertised_host = listener.sni->bootstrap;
    const Setting* host = find(section, "advertised_host");
    if (host == nullptr || lower(trim(host->text)) == listener.sni->bootstrap) return;
    report_.warn(
        host->where,
        "advertised_host means nothing to routing by SNI: clients begin with " + listener.sni->bootstrap,
        "remove it, or set BOOTSTRAP_HOST_PATTERN to it");
  }

  void warn_of_patterns(const Section& section) {
    for (const char* key : {"advertised_host_pattern", "bootstrap_host_pattern"}) {
      if (const Setting* pattern = find(section, key)) {
        report_.warn(pattern->where, std::string(key) + " means nothing to routing by port: ignored",
                     "set routing to sni, or remove it");
      }
    }
  }

  // A client certificate of kferry's own is an identity: whoever reaches the port would have it.
  void check_identity(const DraftListener& draft, const Listener& listener, const Upstream& upstream,
                      const DraftCluster& cluster) {
    const Setting* store = find(cluster.upstream, "ssl_keystore_location");
    if (store == nullptr) store = find(cluster.upstream, "ssl_keystore_key");
    if (store == nullptr || !uses_tls(upstream.security_protocol)) return;
    const Setting* lend = find(cluster.upstream, "lend_identity");
    if (lend != nullptr && lend->text == "true") return;
    // A listener whose TLS is faulty is judged by what it asks for.
    const Setting* own = find(draft.settings, "ssl_client_auth");
    const Section* shared = shared_tls(cluster);
    if (own == nullptr && shared != nullptr) own = find(*shared, "client_auth");
    const bool required = listener.tls ? listener.tls->client_auth == ClientAuth::require
                                       : own != nullptr && lower(trim(own->text)) == "require";
    if (required && uses_tls(listener.security_protocol)) return;
    report_.error(store->where,
                  "a client certificate towards the brokers behind listener " + listener.name +
                      ", which requires none: anyone who reaches its port would become kferry's principal",
                  "set SSL_CLIENT_AUTH to REQUIRE on the listener, or lend_identity = true on the upstream");
  }

  void read_tls(Tls& tls) {
    tls.kernel_receive = choice(draft_.tls, "kernel_receive", {"on", "off"}) != "off";
    tls.kernel_send = choice(draft_.tls, "kernel_send", {"on", "off"}) != "off";
    constexpr std::int64_t week_minutes = 7 * 24 * 60;
    integer(draft_.tls, "update_interval_minutes", 1, week_minutes, tls.update_interval_minutes);
  }

  void read_engine(Engine& engine) {
    integer(draft_.engine, "workers", 0, 1024, engine.workers);
    const std::string backend = choice(draft_.engine, "backend", {"auto", "io_uring", "epoll"});
    if (backend == "io_uring") engine.backend = Backend::io_uring;
    if (backend == "epoll") engine.backend = Backend::epoll;
    integer(draft_.engine, "splice_threshold_bytes", 0, std::numeric_limits<std::int64_t>::max(),
            engine.splice_threshold_bytes);
    engine.pin_workers = choice(draft_.engine, "pin_workers", {"on", "off"}) == "on";
    integer(draft_.engine, "receive_buffers", 64, 32'768, engine.receive_buffers);
    engine.receive_buffers = std::bit_ceil(engine.receive_buffers);
    integer(draft_.engine, "receive_buffer_size_bytes", 4 * KiB, 1024 * KiB,
            engine.receive_buffer_size_bytes);
    integer(draft_.engine, "receive_size_bytes", 4 * KiB, 16 * 1024 * KiB, engine.receive_size_bytes);
    integer(draft_.engine, "standing_receive_bytes", 0, 1024 * KiB, engine.standing_receive_bytes);
    integer(draft_.engine, "look_ahead_bytes", 0, 1024 * KiB, engine.look_ahead_bytes);
  }

  void read_limits(Limits& limits) {
    constexpr std::int64_t day_s = 86'400;
    constexpr std::int64_t day_ms = day_s * 1000;
    const Section& section = draft_.limits;
    integer(section, "upstream_connect_timeout_ms", 1, day_ms, limits.upstream_connect_timeout_ms);
    integer(section, "first_byte_timeout_ms", 1, day_ms, limits.first_byte_timeout_ms);
    integer(section, "tls_handshake_timeout_ms", 1, day_ms, limits.tls_handshake_timeout_ms);
    // The kernel's own bounds (include/net/tcp.h: MAX_TCP_KEEPIDLE, KEEPINTVL, KEEPCNT).
    integer(section, "keepalive_idle_s", 1, 32'767, limits.keepalive_idle_s);
    integer(section, "keepalive_interval_s", 1, 32'767, limits.keepalive_interval_s);
    integer(section, "keepalive_probes", 1, 127, limits.keepalive_probes);
    integer(section, "drain_deadline_s", 0, day_s, limits.drain_deadline_s);
    integer(section, "unanswered_requests", 2, 1'000'000, limits.unanswered_requests);
    integer(section, "request_size_bytes", 1024, static_cast<std::int64_t>(response_size_max),
            limits.request_size_bytes);
    integer(section, "held_size_bytes", static_cast<std::int64_t>(exact_rewrite_size_max),
            static_cast<std::int64_t>(request_size_max), limits.held_size_bytes);
    integer(section, "discovery_interval_s", 1, day_s, limits.discovery_interval_s);
  }

  void read_operations(Operations& operations) {
    const auto address = [&](const Setting& setting, std::string_view text, std::string& into) {
      text = trim(text);
      if (text.size() > 2 && text.front() == '[' && text.back() == ']')
        text = text.substr(1, text.size() - 2);
      if (SocketAddress::parse(text, 0)) {
        into = std::string(text);
      } else {
        report_.error(setting.where, quoted(text) + " is not a valid IP address",
                      "write an IPv4 or IPv6 address, such as 127.0.0.1");
      }
    };
    const Section& section = draft_.operations;
    if (const Setting* bind = find(section, "bind")) {
      const auto where = parse_host_port(trim(bind->text));
      if (where) {
        address(*bind, where->host, operations.bind_host);
        operations.port = static_cast<std::uint16_t>(where->port);
      } else {
        report_.error(bind->where, quoted(bind->text) + " is not address:port", "write it as 127.0.0.1:8888");
      }
    }
    integer(section, "http_port", 1, 65535, operations.port);
    if (const Setting* host = find(section, "http_bind")) address(*host, host->text, operations.bind_host);
    if (const Setting* host = find(section, "health_bind"))
      address(*host, host->text, operations.health_bind_host);
    if (const Setting* audit = find(section, "audit")) operations.audit_path = audit->text;
  }

  const Draft& draft_;
  bool upstream_tls_known_ = true;  // the upstream's protocol could be read
};

}  // namespace

Config validate(const Draft& draft, Report& report) {
  return Validation(draft, report).run();
}

}  // namespace kferry::config
