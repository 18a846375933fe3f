// The small languages inside a setting's text: port lists, id lists, host names, JAAS. Pure; every failure
// says what is wrong and what to write instead, and never shows a secret.
//
//   ports   = entry *("," entry)
//   entry   = range [":" range]          advertised:local; one range is both
//   range   = port ["-" port]
//   ids     = id ["-" id] *("," …)
//   jaas    = module flag *(name "=" value) ";"     value: a word, or quoted by " or ' with \ escapes
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/host_port.h"
#include "config/config.h"

namespace kferry::config {

struct Fault {
  std::string what;
  std::string remedy;
};

// Where a broker's id goes in a pattern of host names.
inline constexpr std::string_view node_id_mark = "{{nodeId}}";

std::expected<std::vector<Port>, Fault> parse_ports(std::string_view text);
std::expected<std::vector<std::int32_t>, Fault> parse_ids(std::string_view text);
// "host:port" items; white space and empty items are allowed, no item is an error.
std::expected<std::vector<HostPort>, Fault> parse_servers(const std::vector<std::string>& items);
// A name or address literal alone (brackets around IPv6 are taken off): no scheme, no port.
std::expected<std::string, Fault> parse_host(std::string_view text);
// A host name that a client can ask for by SNI, in lower case: neither an address nor a final dot.
std::expected<std::string, Fault> parse_server_name(std::string_view text);
// A host name that contains `{{nodeId}}` once: the text before and after it, in lower case. Every id gives a name as
// parse_server_name() accepts it.
struct HostPattern {
  std::string before;
  std::string after;
};
std::expected<HostPattern, Fault> parse_host_pattern(std::string_view text);
// The part of `text` that was probably meant to be `{{nodeId}}`: "{{ nodeId }}", "${node_id}", "$(brokerId)", "nodeid".
// Empty: there is none.
std::string_view misspelt_node_id(std::string_view text);
std::expected<SecurityProtocol, Fault> parse_security_protocol(std::string_view text);

struct Jaas {
  std::string module;  // the class's full name
  std::map<std::string, std::string> options;
};
std::expected<Jaas, Fault> parse_jaas(std::string_view text);

std::string_view name_of(SecurityProtocol protocol);
constexpr bool uses_tls(SecurityProtocol protocol) {
  return protocol == SecurityProtocol::ssl || protocol == SecurityProtocol::sasl_ssl;
}
constexpr bool uses_sasl(SecurityProtocol protocol) {
  return protocol == SecurityProtocol::sasl_plaintext || protocol == SecurityProtocol::sasl_ssl;
}

// Whether some host name answers to both SNI patterns; `{{nodeId}}` stands for one or more digits.
bool patterns_meet(std::string_view a, std::string_view b);

}  // namespace kferry::config
