// The names of a listener that routes by SNI: a pure function of the configuration and the broker's id, in
// both directions and without state, like the ports of config/ports.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace kferry::config {

// All in lower case, because names are compared without case. A broker's name is before + its id in decimal +
// after.
struct SniNames {
  std::string before;
  std::string after;
  std::string bootstrap;

  std::string host_of(NodeId id) const;
  // "broker-{{nodeId}}.kafka.example.com"
  std::string pattern() const;
};

// What a client asks for by its server name.
struct SniTarget {
  std::optional<NodeId> node;  // nullopt: the bootstrap name
};
// nullopt: the listener does not serve the name. `server_name` is in lower case and without a final dot
// (tls/client_hello.h).
std::optional<SniTarget> sni_target(const SniNames& names, std::string_view server_name);

// The bootstrap name if the configuration gives none: the pattern without `{{nodeId}}` and the hyphen that
// joins it, or without the label that consists of it. "b-{{nodeId}}.k.example" and "{{nodeId}}-b.k.example"
// give "b.k.example", "{{nodeId}}.k.example" gives "k.example".
std::string derived_bootstrap(std::string_view before, std::string_view after);

// Why Java sends no server name for this host ("it has only one label"); empty if it does. JSSE sends names
// of two or more labels that javax.net.ssl.SNIHostName accepts (java.net.IDN.toASCII with
// USE_STD3_ASCII_RULES). Go and librdkafka (OpenSSL) send any name. parse_server_name() must accept `host`.
std::string_view unsent_by_java(std::string_view host);

// Whether some host name matches both patterns; `{{nodeId}}` matches one or more digits.
bool patterns_meet(std::string_view a, std::string_view b);
// Whether some name belongs to both listeners, as a broker's or as the bootstrap name.
bool names_meet(const SniNames& a, const SniNames& b);

}  // namespace kferry::config
