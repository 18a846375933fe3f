// Host names in settings: bootstrap servers, advertised hosts, and the names of routing by SNI. Pure; a
// failure says what is wrong and what to write instead.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/host_port.h"
#include "config/fault.h"

namespace kferry::config {

// Where a broker's id goes in a pattern of host names.
inline constexpr std::string_view node_id_mark = "{{nodeId}}";

// "host:port" items. White space and empty items are allowed, but at least one server must be listed.
Parsed<std::vector<HostPort>> parse_servers(const std::vector<std::string>& items);
// A name or address literal alone (brackets around IPv6 are removed): no scheme, no port.
Parsed<std::string> parse_host(std::string_view text);
// An IPv4 or IPv6 address literal (brackets around IPv6 are removed).
Parsed<std::string> parse_address(std::string_view text);
// A host name that a client can send as SNI, in lower case: not an IP address, no final dot.
Parsed<std::string> parse_server_name(std::string_view text);

// A host name that contains `{{nodeId}}` once: the text before and after it, in lower case. Every id gives a
// name that parse_server_name() accepts.
struct HostPattern {
  std::string before;
  std::string after;
};
Parsed<HostPattern> parse_host_pattern(std::string_view text);
// The part of `text` that was probably meant to be `{{nodeId}}`: "{{ nodeId }}", "${node_id}", "$(brokerId)",
// "nodeid". Empty if nothing looks like it.
std::string_view misspelt_node_id(std::string_view text);

}  // namespace kferry::config
