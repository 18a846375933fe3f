#include "config/validate.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <limits>
#include <string>
#include <utility>

#include "config/credentials.h"
#include "config/host_names.h"
#include "config/log_words.h"
#include "config/section_reader.h"
#include "config/text.h"
#include "config/validate_listener.h"
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
    read_fields(Table::engine, draft_.of(Table::engine), &config.engine);
    config.engine.receive_buffers = std::bit_ceil(config.engine.receive_buffers);
    if (const Setting* name = find(draft_.of(Table::engine), "congestion_control"))
      store_congestion_control(*name, config.engine.congestion_control);
    read_fields(Table::limits, draft_.of(Table::limits), &config.limits);
    read_fields(Table::tls, draft_.of(Table::tls), &config.tls);
    read_operations(config.operations);
    return config;
  }

 private:
  // The kernel's own bound (include/net/tcp.h: TCP_CA_NAME_MAX, with a NUL).
  void store_congestion_control(const Setting& setting, std::string& into) {
    constexpr std::size_t longest = 15;
    const std::string_view name = trim(setting.text);
    const bool known_form =
        !name.empty() && name.size() <= longest && std::ranges::all_of(name, [](unsigned char c) {
          return std::isalnum(c) != 0 || c == '_' || c == '-';
        });
    if (known_form) {
      into = name;
    } else {
      report_.error(setting.where, "congestion_control = " + quoted(setting.text) + " is not a name of one",
                    "use one of sysctl net.ipv4.tcp_available_congestion_control, such as cubic");
    }
  }

  Cluster read_cluster(const DraftCluster& draft) {
    Cluster cluster;
    cluster.name = draft.name;
    read_fields(Table::cluster, draft.settings, &cluster);
    if (const Setting* keys = find(draft.settings, "pass_api_keys")) {
      for (const std::string& item : keys->items) {
        const auto key = parse_integer(trim(item));
        if (!key || *key < 0 || *key > std::numeric_limits<std::int16_t>::max()) {
          report_.error(keys->where, "pass_api_keys contains " + quoted(item),
                        "list API keys as numbers from 0 to 32767");
        } else {
          cluster.pass_api_keys.push_back(static_cast<std::int16_t>(*key));
        }
      }
    }
    bool protocol_known = true;
    cluster.upstream = read_upstream(draft, protocol_known);
    if (draft.listeners.empty()) {
      report_.error(draft.where, "cluster " + draft.name + " has no listener",
                    draft.from_variables
                        ? "set GATEWAY_LISTENER_NAMES=external and GATEWAY_LISTENER_EXTERNAL_PORTS"
                        : "write [cluster." + draft.name + ".listener.external] with its ports");
    }
    const ClusterView view{draft, cluster.upstream, protocol_known,
                           draft.name == "default" ? &draft_.of(Table::listener_tls) : nullptr};
    for (const DraftListener& listener : draft.listeners)
      cluster.listeners.push_back(read_listener(listener, view, report_));
    return cluster;
  }

  // `protocol_known`: false if the security protocol is wrong, so that nothing may be concluded from it.
  Upstream read_upstream(const DraftCluster& draft, bool& protocol_known) {
    Upstream upstream;
    const Section& section = draft.upstream;
    if (const Setting* servers = find(section, "bootstrap_servers")) {
      store(*servers, parse_servers(servers->items), upstream.bootstrap_servers);
    } else if (!section.contains("bootstrap_servers")) {
      const std::string name = draft.from_variables
                                   ? "KAFKA_BOOTSTRAP_SERVERS"
                                   : "bootstrap_servers in [cluster." + draft.name + ".upstream]";
      report_.error(draft.from_variables ? name : draft.where, name + " is missing",
                    "list the brokers to start from, such as kafka1:9092,kafka2:9092");
    }
    const bool protocol_valid =
        read_fields(Table::upstream, section, &upstream).contains("security_protocol");
    protocol_known = protocol_valid || find(section, "security_protocol") == nullptr;
    if (protocol_known) upstream.tls = read_upstream_tls(draft, upstream.security_protocol, report_);
    upstream.sasl = read_credentials(section, upstream.security_protocol, protocol_known, report_);
    return upstream;
  }

  // "ADDRESS" or "ADDRESS:PORT".
  void store_binding(const Setting& setting, std::optional<HostPort>& into) {
    HostPort where;
    const std::string_view text = trim(setting.text);
    const auto with_port = parse_host_port(text);
    if (with_port) where.port = with_port->port;
    if (store(setting, parse_address(with_port ? with_port->host : std::string(text)), where.host))
      into = std::move(where);
  }

  void read_operations(Operations& operations) {
    const Section& section = draft_.of(Table::operations);
    if (const Setting* bind = find(section, "bind")) {
      const auto where = parse_host_port(trim(bind->text));
      if (!where) {
        report_.error(bind->where, quoted(bind->text) + " is not address:port", "write it as 127.0.0.1:8888");
      } else if (store(*bind, parse_address(where->host), operations.bind_host)) {
        operations.port = static_cast<std::uint16_t>(where->port);
      }
    }
    if (const Setting* host = find(section, "http_bind"))
      store(*host, parse_address(host->text), operations.bind_host);
    if (const Setting* bind = find(section, "metrics_bind")) store_binding(*bind, operations.metrics_bind);
    if (const Setting* bind = find(section, "health_bind")) store_binding(*bind, operations.health_bind);
    for (const std::string_view name : {"bind", "http_port", "http_bind", "metrics_bind", "health_bind"})
      operations.http_configured = operations.http_configured || section.contains(name);
    read_fields(Table::operations, section,
                &operations);  // after `bind`: GATEWAY_HTTP_PORT overrides its port
    if (const Setting* audit = find(section, "audit"))
      if (operations.audit != "off" && operations.audit != "stdout" && !operations.audit.starts_with('/'))
        report_.error(audit->where,
                      quoted(audit->text) + " is not an absolute path, and neither off nor stdout",
                      "write it as /var/log/kferry/audit.jsonl");
    // A word that is unknown is reported by choice().
    if (choice(Table::operations, section, "log_format"))
      operations.log_format = *log_format_of(trim(find(section, "log_format")->text));
    if (choice(Table::operations, section, "log_level"))
      operations.log_level = *log_level_of(trim(find(section, "log_level")->text));
  }

  const Draft& draft_;
};

}  // namespace

Config validate(const Draft& draft, Report& report) {
  return Validation(draft, report).run();
}

}  // namespace kferry::config
