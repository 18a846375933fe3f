#include "config/validate_sni.h"

#include <string>
#include <string_view>
#include <utility>

#include "config/host_names.h"
#include "config/section_reader.h"
#include "config/text.h"
#include "config/validate_listener.h"

namespace kferry::config {
namespace {

class SniReader : private SectionReader {
 public:
  SniReader(const DraftListener& draft, const DraftCluster& cluster, Report& report)
      : SectionReader(report), draft_(draft), cluster_(cluster) {}

  std::optional<SniNames> run() {
    const Section& section = draft_.settings;
    const Setting* pattern = find(section, "advertised_host_pattern");
    if (pattern == nullptr) {
      if (!section.contains("advertised_host_pattern")) missing_pattern();
      return std::nullopt;
    }
    HostPattern host;
    if (!store(*pattern, parse_host_pattern(pattern->text), host)) return std::nullopt;
    SniNames names{std::move(host.before), std::move(host.after), {}};
    const Setting* bootstrap = find(section, "bootstrap_host_pattern");
    if (bootstrap == nullptr) {
      names.bootstrap = derived_bootstrap(names.before, names.after);
    } else if (bootstrap->text.find(node_id_mark) != std::string::npos) {
      report_.error(bootstrap->where, "the bootstrap pattern contains {{nodeId}}",
                    "write the one name that clients bootstrap at");
      return std::nullopt;
    } else if (!store(*bootstrap, parse_server_name(bootstrap->text), names.bootstrap)) {
      return std::nullopt;
    }
    if (!bootstrap_usable(names, bootstrap == nullptr ? *pattern : *bootstrap)) return std::nullopt;
    warn_of_java(names, *pattern, bootstrap);
    return names;
  }

 private:
  void missing_pattern() {
    const std::string name = listener_key_name(cluster_, draft_, "advertised_host_pattern");
    report_.error(draft_.from_variables ? name : draft_.where, name + " is missing",
                  "routing by SNI needs a pattern such as broker-{{nodeId}}.kafka.example.com");
  }

  bool bootstrap_usable(const SniNames& names, const Setting& place) {
    if (!parse_server_name(names.bootstrap)) {
      report_.error(place.where,
                    names.bootstrap.empty()
                        ? "the pattern leaves no name for clients to bootstrap at"
                        : "the pattern leaves " + quoted(names.bootstrap) +
                              " for clients to bootstrap at, which no client sends as a server name (SNI)",
                    "set BOOTSTRAP_HOST_PATTERN to a host name, such as broker.kafka.example.com");
      return false;
    }
    if (const SniNames brokers{names.before, names.after, {}}; sni_target(brokers, names.bootstrap)) {
      report_.error(place.where, quoted(names.bootstrap) + " is also the name of a broker",
                    "set BOOTSTRAP_HOST_PATTERN to a name of its own");
      return false;
    }
    return true;
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
    // A bootstrap name that is derived from the pattern usually has the same fault.
    if (bootstrap_unsent.empty() || (bootstrap == nullptr && !broker_unsent.empty())) return;
    warn(bootstrap == nullptr ? pattern : *bootstrap, names.bootstrap, bootstrap_unsent,
         "set BOOTSTRAP_HOST_PATTERN to a name");
  }

  const DraftListener& draft_;
  const DraftCluster& cluster_;
};

}  // namespace

std::optional<SniNames> read_sni_names(const DraftListener& draft, const DraftCluster& cluster,
                                       Report& report) {
  return SniReader(draft, cluster, report).run();
}

}  // namespace kferry::config
