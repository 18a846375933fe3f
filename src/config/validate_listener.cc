#include "config/validate_listener.h"

#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/counted.h"
#include "base/lower_case.h"
#include "base/socket_address.h"
#include "config/host_names.h"
#include "config/port_lists.h"
#include "config/section_reader.h"
#include "config/security_protocol.h"
#include "config/text.h"
#include "config/validate_admission.h"
#include "config/validate_sni.h"
#include "config/validate_tls.h"

namespace kferry::config {
namespace {

class ListenerValidation : private SectionReader {
 public:
  ListenerValidation(const DraftListener& draft, const ClusterView& view, Report& report)
      : SectionReader(report),
        draft_(draft),
        section_(draft.settings),
        cluster_(view.cluster),
        upstream_(view.upstream),
        upstream_protocol_known_(view.upstream_protocol_known),
        shared_tls_(view.shared_tls) {}

  Listener run() {
    Listener listener;
    listener.name = draft_.name;
    const std::set<std::string_view> valid = read_fields(Table::listener, section_, &listener);
    const bool protocol_known = valid.contains("security_protocol");
    read_protocol(protocol_known, listener);
    read_ports(listener);
    if (listener.routing != Routing::port) {
      listener.sni = read_sni_names(draft_, cluster_, report_);
      check_named(listener, protocol_known);
    } else {
      warn_of_patterns();
    }
    read_hosts(listener);
    read_ids(listener);
    read_admission(draft_, cluster_, listener, report_);
    if (protocol_known) check_identity(listener);
    if (listener.tls) listener.tls->identity.hosts = hosts_of(listener);
    return listener;
  }

 private:
  void missing(const std::string& key, const std::string& remedy) {
    if (section_.contains(key)) return;  // its fault has been reported
    const std::string name = listener_key_name(cluster_, draft_, key);
    report_.error(draft_.from_variables ? name : draft_.where, name + " is missing", remedy);
  }

  void read_protocol(bool known, Listener& listener) {
    const Setting* protocol = find(section_, "security_protocol");
    if (protocol == nullptr) {
      missing("security_protocol", "set it to PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL");
      return;
    }
    if (!known) return;
    if (upstream_protocol_known_ &&
        uses_sasl(listener.security_protocol) != uses_sasl(upstream_.security_protocol)) {
      report_.error(protocol->where,
                    "listener " + listener.name + " of cluster " + cluster_.name + " has " +
                        std::string(name_of(listener.security_protocol)) + " and its upstream " +
                        std::string(name_of(upstream_.security_protocol)) +
                        ": SASL is end to end, from the client to the broker",
                    "use SASL on both sides or on neither");
    }
    listener.tls = read_listener_tls(draft_, cluster_, shared_tls_, listener.security_protocol, report_);
  }

  void read_ports(Listener& listener) {
    const Setting* ports = find(section_, "ports");
    if (ports == nullptr) {
      missing("ports", "list one port for each broker, such as 6969-6971");
      return;
    }
    store(*ports, parse_ports(ports->text), listener.ports);
    if (listener.routing != Routing::port && listener.ports.size() > 1) {
      report_.error(ports->where,
                    "routing by name takes exactly one port, not " + std::to_string(listener.ports.size()),
                    "list one port: the name identifies the broker");
    }
  }

  void read_hosts(Listener& listener) {
    bool bind_known = true;
    if (const Setting* address = find(section_, "bind_address"))
      bind_known = store(*address, parse_address(address->text), listener.bind_address);
    const auto bind = SocketAddress::parse(listener.bind_address, 0);
    const Setting* host = find(section_, "advertised_host");
    if (listener.routing != Routing::port) {
      if (listener.sni) advertise_bootstrap_name(host, listener);
    } else if (host != nullptr) {
      store(*host, parse_host(host->text), listener.advertised_host);
    } else if (bind_known && bind && !bind->is_wildcard()) {
      listener.advertised_host = listener.bind_address;
    } else if (bind_known) {
      missing("advertised_host", "set the name or address under which clients reach kferry");
    }
  }

  // With routing by name, clients bootstrap at the bootstrap name, whatever else is advertised.
  void advertise_bootstrap_name(const Setting* host, Listener& listener) {
    listener.advertised_host = listener.sni->bootstrap;
    if (host == nullptr || lower_case(trim(host->text)) == listener.sni->bootstrap) return;
    report_.warn(
        host->where,
        "advertised_host has no effect with routing by name: clients bootstrap at " + listener.sni->bootstrap,
        "remove it, or set BOOTSTRAP_HOST_PATTERN to it");
  }

  void read_ids(Listener& listener) {
    const Setting* ids = find(section_, "ids");
    if (ids == nullptr || !store(*ids, parse_ids(ids->text), listener.ids)) return;
    if (listener.ports.empty() || listener.routing != Routing::port) return;
    if (listener.ids.size() > listener.ports.size()) {
      report_.error(ids->where,
                    counted(listener.ids.size(), "id") + " for " + counted(listener.ports.size(), "port"),
                    "list " + counted(listener.ids.size(), "port") + ", or fewer ids");
    }
  }

  void check_named(const Listener& listener, bool protocol_known) {
    const std::string& where = find(section_, "routing")->where;
    if (listener.routing == Routing::sni && protocol_known && !uses_tls(listener.security_protocol)) {
      report_.error(where, "routing by SNI on a listener without TLS",
                    "set its security protocol to SSL or SASL_SSL, or routing to port");
    }
    if (listener.routing == Routing::authority && listener.proxy_protocol != ProxyProtocol::required) {
      report_.error(where, "routing by authority on a listener that requires no PROXY protocol header",
                    "set proxy_protocol to required: the header names the broker");
    }
    for (const char* key : {"ids", "min_broker_id"}) {
      const Setting* setting = find(section_, key);
      // GATEWAY_MIN_BROKERID is set for all listeners at once.
      if (setting == nullptr || setting->where.starts_with("GATEWAY_MIN_BROKERID")) continue;
      report_.warn(setting->where, std::string(key) + " has no effect with routing by name: ignored",
                   "remove it: the name identifies the broker");
    }
  }

  void warn_of_patterns() {
    for (const char* key : {"advertised_host_pattern", "bootstrap_host_pattern"}) {
      if (const Setting* pattern = find(section_, key)) {
        report_.warn(pattern->where, std::string(key) + " has no effect with routing by port: ignored",
                     "set routing to sni or authority, or remove it");
      }
    }
  }

  // The names by which clients reach it.
  static std::vector<std::string> hosts_of(const Listener& listener) {
    if (listener.sni) return {listener.sni->bootstrap, listener.sni->pattern()};
    if (listener.advertised_host.empty()) return {};
    return {listener.advertised_host};
  }

  // kferry's client certificate is an identity, and everyone who reaches the port would have it.
  void check_identity(const Listener& listener) {
    const Setting* store = find(cluster_.upstream, "ssl_keystore_location");
    if (store == nullptr) store = find(cluster_.upstream, "ssl_keystore_key");
    if (store == nullptr || !uses_tls(upstream_.security_protocol) || upstream_.lend_identity) return;
    if (uses_tls(listener.security_protocol) && client_certificate_required(listener)) return;
    report_.error(
        store->where,
        "a client certificate towards the brokers behind listener " + listener.name +
            ", which does not require one: anyone who reaches its port would become kferry's principal",
        "set SSL_CLIENT_AUTH to REQUIRE on the listener, or lend_identity = true on the upstream");
  }

  // A listener whose TLS is faulty is judged by what it asks for.
  bool client_certificate_required(const Listener& listener) const {
    if (listener.tls) return listener.tls->client_auth == ClientAuth::require;
    const Setting* written = find(section_, "ssl_client_auth");
    if (written == nullptr && shared_tls_ != nullptr) written = find(*shared_tls_, "client_auth");
    return written != nullptr && lower_case(trim(written->text)) == "require";
  }

  const DraftListener& draft_;
  const Section& section_;
  const DraftCluster& cluster_;
  const Upstream& upstream_;
  bool upstream_protocol_known_;
  const Section* shared_tls_;
};

}  // namespace

Listener read_listener(const DraftListener& draft, const ClusterView& view, Report& report) {
  return ListenerValidation(draft, view, report).run();
}

std::string listener_key_name(const DraftCluster& cluster, const DraftListener& listener,
                              const std::string& key) {
  return listener.from_variables ? std::string(listener_prefix) + upper(listener.name) + "_" + upper(key)
                                 : key + " in [cluster." + cluster.name + ".listener." + listener.name + "]";
}

}  // namespace kferry::config
