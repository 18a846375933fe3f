#include "config/host_names.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "base/lower_case.h"
#include "base/socket_address.h"
#include "config/text.h"

namespace kferry::config {
namespace {

constexpr std::string_view pattern_example = "broker-{{nodeId}}.kafka.example.com";
constexpr std::size_t label_size_max = 63;  // RFC 1035 §2.3.4
constexpr std::size_t host_size_max = 253;  // the longest name that DNS can carry, written with dots

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
         c == '-';
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (static_cast<unsigned char>(c) & 0x80U) == 0; });
}

// No client sends an IP address as SNI (RFC 6066 §3). librdkafka treats any text of digits and dots as an
// address, Java up to four numbers ("10.5" is 10.0.0.5).
bool looks_like_address(std::string_view host) {
  return SocketAddress::parse(host, 0) || host.find_first_not_of("0123456789.") == std::string_view::npos;
}

std::string_view without_brackets(std::string_view host) {
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  return bracketed ? host.substr(1, host.size() - 2) : host;
}

std::optional<Fault> label_fault(std::string_view host, std::string_view shown) {
  if (host.ends_with('.')) {
    return Fault{quoted(shown) + " ends with a dot, which clients leave out of the server name",
                 "remove the final dot"};
  }
  for (const std::string& label : split(host, '.')) {
    if (label.empty()) return Fault{quoted(shown) + " has nothing between two dots", "remove one of them"};
    if (label.size() > label_size_max) {
      return Fault{quoted(shown) + " has a label of more than 63 characters",
                   "shorten the text between its dots"};
    }
  }
  return std::nullopt;
}

}  // namespace

Parsed<std::vector<HostPort>> parse_servers(const std::vector<std::string>& items) {
  std::vector<HostPort> servers;
  for (const std::string& item : items) {
    for (const std::string& part : split(item, ',')) {
      if (part.empty()) continue;
      const auto scheme = part.find("://");
      if (scheme != std::string::npos) {
        return std::unexpected(Fault{quoted(part) + " contains a protocol",
                                     "write " + part.substr(scheme + 3) + " and set the security protocol"});
      }
      if (part.find('@') != std::string::npos) {
        return std::unexpected(Fault{"a bootstrap server contains '@'",
                                     "write only host:port; credentials go into sasl_jaas_config"});
      }
      const auto server = parse_host_port(part);
      if (!server || !parse_host(server->host)) {
        return std::unexpected(Fault{quoted(part) + " is not host:port",
                                     "write each server as host:port, an IPv6 address as [address]:port"});
      }
      servers.push_back(*server);
    }
  }
  if (servers.empty())
    return std::unexpected(Fault{"no server is listed", "list at least one broker as host:port"});
  return servers;
}

Parsed<std::string> parse_host(std::string_view text) {
  const std::string_view host = without_brackets(trim(text));
  if (host.empty()) return std::unexpected(Fault{"the host is empty", "write a host name or an address"});
  if (host.find(':') != std::string_view::npos) {
    if (SocketAddress::parse(host, 0)) return std::string(host);
    return std::unexpected(Fault{quoted(host) + " is not a valid host name",
                                 "write only the host, without protocol and port (ports go into ports)"});
  }
  if (!is_ascii(host)) {
    return std::unexpected(Fault{quoted(host) + " contains characters outside ASCII",
                                 "write the form that DNS uses, with each such label encoded as xn--…"});
  }
  const bool plain = std::all_of(host.begin(), host.end(), is_host_character);
  if (!plain && !misspelt_node_id(host).empty()) {
    return std::unexpected(
        Fault{quoted(host) + " contains " + std::string(misspelt_node_id(host)) +
                  ", but this is one host for every broker",
              "set routing to sni and write the pattern as ADVERTISED_HOST_PATTERN, or write a plain "
              "host name"});
  }
  if (!plain || host.front() == '-' || host.front() == '.' || host.size() > host_size_max ||
      host.find("..") != std::string_view::npos) {
    return std::unexpected(Fault{quoted(host) + " is not a valid host name",
                                 "use letters, digits, '-' and '.', at most 253 characters"});
  }
  return std::string(host);
}

Parsed<std::string> parse_address(std::string_view text) {
  const std::string_view address = without_brackets(trim(text));
  if (SocketAddress::parse(address, 0)) return std::string(address);
  return std::unexpected(Fault{
      quoted(text) + " is not a valid IP address",
      "write an IPv4 or IPv6 address, such as 127.0.0.1, or 0.0.0.0 (:: for IPv6) for every interface"});
}

Parsed<std::string> parse_server_name(std::string_view text) {
  auto host = parse_host(text);
  if (!host) return host;
  if (looks_like_address(*host)) {
    return std::unexpected(Fault{
        quoted(*host) + " is an IP address or looks like one: no client sends it as a server name (SNI)",
        "write a host name, such as broker.kafka.example.com"});
  }
  if (auto fault = label_fault(*host, *host)) return std::unexpected(std::move(*fault));
  return lower_case(*host);
}

Parsed<HostPattern> parse_host_pattern(std::string_view text) {
  const std::string_view pattern = trim(text);
  const auto at = pattern.find(node_id_mark);
  if (at == std::string_view::npos) {
    const std::string_view misspelt = misspelt_node_id(pattern);
    if (misspelt.empty()) {
      return std::unexpected(
          Fault{"the pattern does not contain {{nodeId}}",
                "write it where the broker's id goes, such as " + std::string(pattern_example)});
    }
    const auto from = static_cast<std::size_t>(misspelt.data() - pattern.data());
    std::string meant(pattern);
    meant.replace(from, misspelt.size(), node_id_mark);
    return std::unexpected(Fault{quoted(misspelt) + " is not replaced by the broker's id",
                                 "did you mean {{nodeId}}? Write " +
                                     (parse_host_pattern(meant) ? meant : std::string(pattern_example))});
  }
  const std::string_view before = pattern.substr(0, at);
  const std::string_view after = pattern.substr(at + node_id_mark.size());
  if (after.find(node_id_mark) != std::string_view::npos)
    return std::unexpected(Fault{"the pattern contains {{nodeId}} twice", "write it once"});
  const auto host_of = [&](std::string_view id) { return std::string(before).append(id).append(after); };
  const std::string shortest = host_of("0");
  if (looks_like_address(shortest) || pattern.starts_with('[')) {
    return std::unexpected(
        Fault{quoted(pattern) +
                  " turns the brokers' ids into IP addresses: no client sends an address as a server name "
                  "(SNI), and only that name identifies the broker",
              "write host names such as " + std::string(pattern_example) +
                  ", which DNS may resolve to those addresses, or set routing to port"});
  }
  if (pattern.find(':') != std::string_view::npos) {
    return std::unexpected(Fault{quoted(pattern) + " is not a valid pattern of host names",
                                 "write only the host names, without protocol and port"});
  }
  if (auto fault = label_fault(host_of("2147483647"), pattern)) return std::unexpected(std::move(*fault));
  if (const auto host = parse_host(host_of("2147483647")); !host) {
    const bool long_one = host_of("2147483647").size() > host_size_max;
    return std::unexpected(
        Fault{quoted(pattern) + " is not a valid pattern of host names",
              is_ascii(pattern)
                  ? "use letters, digits, '-' and '.' around {{nodeId}}" +
                        std::string(long_one ? ": at most 253 characters, ten of them for the id" : "")
                  : host.error().remedy});
  }
  return HostPattern{lower_case(before), lower_case(after)};
}

std::string_view misspelt_node_id(std::string_view text) {
  constexpr std::string_view opening = "{[(<$%#";
  constexpr std::string_view closing = "}])>%#";
  constexpr std::string_view space = " .";  // "{{ nodeId }}", and "{{.nodeId}}" of Go's templates
  const std::string all = lower_case(text);
  const auto one_of = [&](std::size_t at, std::string_view set) {
    return at < all.size() && set.find(all[at]) != std::string_view::npos;
  };
  for (std::size_t at = 0; at < all.size(); ++at) {
    // node, broker, id, or two of them in one: "nodeid", "broker_id", "node.id".
    const std::string_view rest = std::string_view(all).substr(at);
    std::size_t end = at + (rest.starts_with("node") ? 4U : rest.starts_with("broker") ? 6U : 0U);
    const bool joined = end > at && one_of(end, " .-");
    const std::size_t id = end + (joined || (end > at && one_of(end, "_")) ? 1 : 0);
    const bool two = end > at && all.compare(id, 2, "id") == 0;
    if (two || rest.starts_with("id")) end = id + 2;
    if (end == at) continue;

    std::size_t begin = at;
    while (begin > 0 && one_of(begin - 1, space)) --begin;
    const std::size_t inside = begin;
    while (begin > 0 && one_of(begin - 1, opening)) --begin;
    const bool opened = begin < inside;
    if (!opened) begin = at;
    std::size_t stop = end;
    while (one_of(stop, space)) ++stop;
    const std::size_t closed_from = stop;
    while (one_of(stop, closing)) ++stop;
    const bool closed = stop > closed_from;
    if (!closed) stop = end;
    const bool continues = stop == end && stop < all.size() &&
                           (is_host_character(all[stop]) || all[stop] == '$') && all[stop] != '.' &&
                           all[stop] != '-';
    // Without brackets, accept only what is unlikely to be a name in itself.
    if ((opened && closed) || (two && !joined) || (opened && one_of(begin, "$%") && !continues))
      return text.substr(begin, stop - begin);
  }
  return {};
}

}  // namespace kferry::config
