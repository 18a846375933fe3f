#include "config/grammar.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "base/counted.h"
#include "base/socket_address.h"
#include "config/words.h"

namespace kferry::config {
namespace {

constexpr std::string_view ports_example =
    "write ports as p, a-b, advertised:local or a-b:c-d, comma separated, such as "
    "29092-29093:9092-9093,29100:9100";
constexpr std::size_t ids_max = 65'535;

struct Range {
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::int64_t size() const { return last - first + 1; }
};

std::optional<Range> parse_range(std::string_view text) {
  const auto dash = text.find('-');
  const auto first = parse_integer(trim(text.substr(0, dash)));
  if (!first) return std::nullopt;
  if (dash == std::string_view::npos) return Range{*first, *first};
  const auto last = parse_integer(trim(text.substr(dash + 1)));
  if (!last) return std::nullopt;
  return Range{*first, *last};
}

std::expected<Range, Fault> parse_port_range(std::string_view text) {
  const auto range = parse_range(text);
  if (!range)
    return std::unexpected(Fault{quoted(text) + " is not a valid port or range", std::string(ports_example)});
  if (range->first < 1 || range->last > 65535 || range->first > 65535 || range->last < 1) {
    return std::unexpected(
        Fault{quoted(text) + " holds a port that is not 1 to 65535", "use ports from 1 to 65535"});
  }
  if (range->first > range->last) {
    return std::unexpected(
        Fault{"range " + quoted(text) + " runs backwards",
              "write " + std::to_string(range->last) + "-" + std::to_string(range->first)});
  }
  return *range;
}

bool word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
         c == '-' || c == '$';
}

}  // namespace

std::expected<std::vector<Port>, Fault> parse_ports(std::string_view text) {
  std::vector<Port> ports;
  std::set<std::uint16_t> local_seen;
  std::set<std::uint16_t> advertised_seen;
  const std::vector<std::string> entries = split(text, ',');
  if (entries.empty()) return std::unexpected(Fault{"no port is listed", std::string(ports_example)});
  for (const std::string& entry : entries) {
    const auto colon = entry.find(':');
    const auto advertised = parse_port_range(std::string_view(entry).substr(0, colon));
    if (!advertised) return std::unexpected(advertised.error());
    const auto local =
        colon == std::string::npos ? advertised : parse_port_range(std::string_view(entry).substr(colon + 1));
    if (!local) return std::unexpected(local.error());
    if (advertised->size() != local->size()) {
      return std::unexpected(Fault{quoted(entry) + " pairs " +
                                       counted(advertised->size(), "advertised port") + " with " +
                                       counted(local->size(), "local one"),
                                   "give both ranges the same length"});
    }
    for (std::int64_t i = 0; i < advertised->size(); ++i) {
      const Port port{static_cast<std::uint16_t>(advertised->first + i),
                      static_cast<std::uint16_t>(local->first + i)};
      if (!local_seen.insert(port.local).second) {
        return std::unexpected(Fault{"local port " + std::to_string(port.local) + " is listed twice",
                                     "list each local port once"});
      }
      if (!advertised_seen.insert(port.advertised).second) {
        return std::unexpected(
            Fault{"advertised port " + std::to_string(port.advertised) + " is listed twice",
                  "list each advertised port once: clients could not tell two brokers apart"});
      }
      ports.push_back(port);
    }
  }
  return ports;
}

std::expected<std::vector<std::int32_t>, Fault> parse_ids(std::string_view text) {
  constexpr std::int64_t id_max = 0x7FFFFFFF;
  const std::string example = "write broker ids such as 100-102,200";
  std::vector<std::int32_t> ids;
  std::set<std::int64_t> seen;
  const std::vector<std::string> entries = split(text, ',');
  if (entries.empty())
    return std::unexpected(Fault{"no broker id is listed", example + ", or leave ids out"});
  for (const std::string& entry : entries) {
    const auto range = parse_range(entry);
    if (!range || range->first < 0 || range->last > id_max) {
      return std::unexpected(Fault{quoted(entry) + " is not a valid broker id or range of ids", example});
    }
    if (range->first > range->last) {
      return std::unexpected(
          Fault{"range " + quoted(entry) + " runs backwards",
                "write " + std::to_string(range->last) + "-" + std::to_string(range->first)});
    }
    if (range->size() > static_cast<std::int64_t>(ids_max)) {
      return std::unexpected(
          Fault{quoted(entry) + " lists more ids than there are ports", "list the brokers' ids alone"});
    }
    for (std::int64_t id = range->first; id <= range->last; ++id) {
      if (!seen.insert(id).second) {
        return std::unexpected(
            Fault{"broker id " + std::to_string(id) + " is listed twice", "list each id once"});
      }
      ids.push_back(static_cast<std::int32_t>(id));
    }
    if (ids.size() > ids_max) {
      return std::unexpected(
          Fault{"more ids are listed than there are ports", "list the brokers' ids alone"});
    }
  }
  return ids;
}

std::expected<std::vector<HostPort>, Fault> parse_servers(const std::vector<std::string>& items) {
  std::vector<HostPort> servers;
  for (const std::string& item : items) {
    for (const std::string& part : split(item, ',')) {
      if (part.empty()) continue;
      const auto scheme = part.find("://");
      if (scheme != std::string::npos) {
        return std::unexpected(Fault{quoted(part) + " carries a protocol",
                                     "write " + part.substr(scheme + 3) + " and set the security protocol"});
      }
      if (part.find('@') != std::string::npos) {
        return std::unexpected(Fault{"a bootstrap server holds '@'",
                                     "write host:port alone; credentials go into sasl_jaas_config"});
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

namespace {

constexpr std::string_view pattern_example = "broker-{{nodeId}}.kafka.example.com";
constexpr std::size_t label_size_max = 63;  // RFC 1035 §2.3.4
constexpr std::size_t host_size_max = 253;  // the longest name that DNS can carry, written with dots

bool ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (static_cast<unsigned char>(c) & 0x80U) == 0; });
}

// Nobody sends SNI for an address (RFC 6066 §3). librdkafka takes whatever consists of digits and dots for one, Java up
// to four numbers ("10.5" is 10.0.0.5).
bool like_address(std::string_view host) {
  return SocketAddress::parse(host, 0) || host.find_first_not_of("0123456789.") == std::string_view::npos;
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

std::expected<std::string, Fault> parse_host(std::string_view text) {
  std::string_view host = trim(text);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host.empty()) return std::unexpected(Fault{"the host is empty", "write a host name or an address"});
  if (host.find(':') != std::string_view::npos) {
    if (SocketAddress::parse(host, 0)) return std::string(host);
    return std::unexpected(
        Fault{quoted(host) + " is not a valid host name",
              "write the host alone, without protocol and port (ports belong into ports)"});
  }
  if (!ascii(host)) {
    return std::unexpected(Fault{quoted(host) + " contains characters outside ASCII",
                                 "write the form that DNS has: each such label encoded as xn--…"});
  }
  const bool plain =
      std::all_of(host.begin(), host.end(), [](char c) { return c != '$' && word_character(c); });
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

std::expected<std::string, Fault> parse_server_name(std::string_view text) {
  auto host = parse_host(text);
  if (!host) return host;
  if (like_address(*host)) {
    return std::unexpected(Fault{
        quoted(*host) + " is an IP address or looks like one: no client sends it as a server name (SNI)",
        "write a host name, such as broker.kafka.example.com"});
  }
  if (auto fault = label_fault(*host, *host)) return std::unexpected(std::move(*fault));
  return lower(*host);
}

std::expected<HostPattern, Fault> parse_host_pattern(std::string_view text) {
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
  if (like_address(shortest) || pattern.starts_with('[')) {
    return std::unexpected(
        Fault{quoted(pattern) +
                  " makes IP addresses of the brokers' ids: no client sends an address as a server name "
                  "(SNI), which alone tells the brokers apart",
              "write host names such as " + std::string(pattern_example) +
                  ", which DNS may resolve to those addresses, or set routing to port"});
  }
  if (pattern.find(':') != std::string_view::npos) {
    return std::unexpected(Fault{quoted(pattern) + " is not a valid pattern of host names",
                                 "write the host names alone, without protocol and port"});
  }
  if (auto fault = label_fault(host_of("2147483647"), pattern)) return std::unexpected(std::move(*fault));
  if (const auto host = parse_host(host_of("2147483647")); !host) {
    const bool long_one = host_of("2147483647").size() > host_size_max;
    return std::unexpected(Fault{
        quoted(pattern) + " is not a valid pattern of host names",
        ascii(pattern) ? "use letters, digits, '-' and '.' around {{nodeId}}" +
                             std::string(long_one ? ": at most 253 characters, ten of them for the id" : "")
                       : host.error().remedy});
  }
  return HostPattern{lower(before), lower(after)};
}

std::string_view misspelt_node_id(std::string_view text) {
  constexpr std::string_view opening = "{[(<$%#";
  constexpr std::string_view closing = "}])>%#";
  constexpr std::string_view space = " .";  // "{{ nodeId }}", and "{{.nodeId}}" of Go's templates
  const std::string all = lower(text);
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
    const bool goes_on =
        stop == end && stop < all.size() && word_character(all[stop]) && all[stop] != '.' && all[stop] != '-';
    // Without brackets only what can hardly be a name of its own.
    if ((opened && closed) || (two && !joined) || (opened && one_of(begin, "$%") && !goes_on))
      return text.substr(begin, stop - begin);
  }
  return {};
}

namespace {
constexpr std::array<std::pair<std::string_view, SecurityProtocol>, 4> protocols{{
    {"PLAINTEXT", SecurityProtocol::plaintext},
    {"SSL", SecurityProtocol::ssl},
    {"SASL_PLAINTEXT", SecurityProtocol::sasl_plaintext},
    {"SASL_SSL", SecurityProtocol::sasl_ssl},
}};
}

std::expected<SecurityProtocol, Fault> parse_security_protocol(std::string_view text) {
  const std::string wanted = upper(trim(text));
  for (const auto& [name, protocol] : protocols) {
    if (name == wanted) return protocol;
  }
  std::vector<std::string> names;
  for (const auto& [name, protocol] : protocols) names.emplace_back(name);
  const auto guess = nearest(wanted, names);
  return std::unexpected(Fault{quoted(text) + " is not a security protocol",
                               (guess ? "did you mean " + *guess + "? " : std::string()) +
                                   "use PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"});
}

std::string_view name_of(SecurityProtocol protocol) {
  return protocols[static_cast<std::size_t>(protocol)].first;
}

std::expected<Jaas, Fault> parse_jaas(std::string_view text) {
  // No message shows any of the text: a misplaced quote would put the password into it.
  const std::string form =
      "write org.apache.kafka.common.security.plain.PlainLoginModule required "
      "username=\"…\" password=\"…\";";
  std::size_t at = 0;
  const auto failed = [&](const std::string& what) {
    return std::unexpected(
        Fault{"the JAAS text is malformed at character " + std::to_string(at + 1) + ": " + what, form});
  };
  const auto skip_space = [&] {
    while (at < text.size() && std::string_view(" \t\r\n").find(text[at]) != std::string_view::npos) ++at;
  };
  const auto word = [&] {
    skip_space();
    const std::size_t first = at;
    while (at < text.size() && word_character(text[at])) ++at;
    return std::string(text.substr(first, at - first));
  };
  Jaas jaas;
  jaas.module = word();
  if (jaas.module.empty()) return failed("the login module's class is missing");
  const std::string flag = lower(word());
  if (flag != "required" && flag != "requisite" && flag != "sufficient" && flag != "optional") {
    return failed("the control flag (required) is missing after the class");
  }
  for (;;) {
    skip_space();
    if (at == text.size()) return failed("the closing ';' is missing");
    if (text[at] == ';') break;
    const std::string name = word();
    if (name.empty()) return failed("an option's name was expected");
    skip_space();
    if (at == text.size() || text[at] != '=') return failed("'=' was expected after an option's name");
    ++at;
    skip_space();
    std::string value;
    if (at < text.size() && (text[at] == '"' || text[at] == '\'')) {
      const char quote = text[at++];
      for (;; ++at) {
        if (at == text.size()) return failed("a quote is not closed");
        if (text[at] == quote) break;
        if (text[at] == '\\' && at + 1 < text.size()) {
          ++at;
          // As java.io.StreamTokenizer reads them, on which Kafka's parser rests.
          constexpr std::string_view letters = "nrtbfav";
          constexpr std::string_view controls = "\n\r\t\b\f\a\v";
          const auto control = letters.find(text[at]);
          if (control != std::string_view::npos) {
            value += controls[control];
          } else if (text[at] >= '0' && text[at] <= '7') {
            unsigned octal = 0;
            const std::size_t digits = text[at] <= '3' ? 3 : 2;
            std::size_t used = 0;
            while (used < digits && at + used < text.size() && text[at + used] >= '0' &&
                   text[at + used] <= '7') {
              octal = octal * 8 + static_cast<unsigned>(text[at + used] - '0');
              ++used;
            }
            at += used - 1;
            value += static_cast<char>(octal);
          } else {
            value += text[at];
          }
        } else {
          value += text[at];
        }
      }
      ++at;
    } else {
      value = word();
      if (value.empty()) return failed("an option's value was expected (quote it)");
    }
    if (!jaas.options.emplace(name, std::move(value)).second) return failed("an option is given twice");
  }
  ++at;
  skip_space();
  if (at != text.size()) return failed("one login module is expected, and nothing after its ';'");
  return jaas;
}

bool patterns_meet(std::string_view a, std::string_view b) {
  // Walks both patterns as automata at once: a state is a place in each; in `{{nodeId}}` a digit may stay or
  // go on.
  struct Step {
    char literal;  // 0: a digit that may repeat
  };
  const auto compile = [&](std::string_view pattern) {
    std::vector<Step> steps;
    for (std::size_t i = 0; i < pattern.size();) {
      const bool digits = pattern.substr(i).starts_with(node_id_mark);
      steps.push_back({digits ? '\0' : lower(pattern.substr(i, 1))[0]});
      i += digits ? node_id_mark.size() : 1;
    }
    return steps;
  };
  const std::vector<Step> left = compile(a);
  const std::vector<Step> right = compile(b);
  std::set<std::pair<std::size_t, std::size_t>> seen;
  std::vector<std::pair<std::size_t, std::size_t>> open{{0, 0}};
  while (!open.empty()) {
    const auto [i, j] = open.back();
    open.pop_back();
    if (!seen.insert({i, j}).second) continue;
    if (i == left.size() && j == right.size()) return true;
    if (i == left.size() || j == right.size()) continue;
    const char l = left[i].literal;
    const char r = right[j].literal;
    const auto digit = [](char c) { return c == 0 || (c >= '0' && c <= '9'); };
    if (l != 0 && r != 0 ? l != r : !(digit(l) && digit(r))) continue;
    open.push_back({i + 1, j + 1});
    if (l == 0) open.push_back({i, j + 1});
    if (r == 0) open.push_back({i + 1, j});
  }
  return false;
}

}  // namespace kferry::config
