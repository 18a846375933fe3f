#include "config/port_lists.h"

#include <optional>
#include <set>

#include "base/counted.h"
#include "config/text.h"

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

Parsed<Range> parse_port_range(std::string_view text) {
  const auto range = parse_range(text);
  if (!range)
    return std::unexpected(Fault{quoted(text) + " is not a valid port or range", std::string(ports_example)});
  if (range->first < 1 || range->last > 65535 || range->first > 65535 || range->last < 1) {
    return std::unexpected(
        Fault{quoted(text) + " contains a port outside 1 to 65535", "use ports from 1 to 65535"});
  }
  if (range->first > range->last) {
    return std::unexpected(
        Fault{"range " + quoted(text) + " runs backwards",
              "write " + std::to_string(range->last) + "-" + std::to_string(range->first)});
  }
  return *range;
}

}  // namespace

Parsed<std::vector<Port>> parse_ports(std::string_view text) {
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

Parsed<std::vector<std::int32_t>> parse_ids(std::string_view text) {
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
          Fault{quoted(entry) + " lists more ids than there are ports", "list only the ids of brokers"});
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
          Fault{"more ids are listed than there are ports", "list only the ids of brokers"});
    }
  }
  return ids;
}

}  // namespace kferry::config
