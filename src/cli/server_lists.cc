#include "cli/server_lists.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/counted.h"
#include "proxy/broker_list.h"

namespace kferry::cli {
namespace {

// What a line lists of servers or brokers; of more it gives the number.
constexpr std::size_t shown_max = 8;

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (std::size_t i = 0; i < std::min(texts.size(), shown_max); ++i) out += (i == 0 ? "" : ", ") + texts[i];
  if (texts.size() > shown_max) out += " and " + std::to_string(texts.size() - shown_max) + " more";
  return out;
}

std::string brokers_text(const std::vector<std::string>& ids) {
  return (ids.size() == 1 ? "broker " : "brokers ") + joined(ids);
}

// The servers of one cluster id, in order of configuration.
using Group = std::vector<const ServerList*>;

std::string two_clusters(const config::Cluster& cluster, const std::map<std::string, Group>& groups) {
  std::string text = "the bootstrap servers lead to ";
  text += groups.size() == 2 ? "two" : std::to_string(groups.size());
  text += " clusters: ";
  bool first = true;
  for (const auto& [id, group] : groups) {
    std::vector<std::string> servers;
    for (const ServerList* list : group) servers.push_back(list->server);
    text += (first ? "" : "; ") + joined(servers) + (servers.size() == 1 ? " is" : " are") +
            " of cluster id " + id;
    first = false;
  }
  const bool follows = cluster.upstream.on_cluster_change == config::OnClusterChange::follow;
  text +=
      ": kferry takes the one that answers first, ends each connection on which another one answers, and ";
  text += follows ? "changes over when every bootstrap server that answers reports the other"
                  : "never changes over, as on_cluster_change = refuse demands";
  return text + ": keep the servers of one cluster in bootstrap_servers of " + cluster.name +
         ", and give each other cluster a [cluster.NAME] of its own";
}

struct Told {
  HostPort place;
  std::string server;
};

// Two places for one broker.
std::string two_listeners(const std::map<NodeId, std::vector<Told>>& places) {
  std::string example;
  std::size_t more = 0;
  for (const auto& [id, told] : places) {
    const auto other =
        std::ranges::find_if(told, [&](const Told& one) { return one.place != told.front().place; });
    if (other == told.end()) continue;
    if (!example.empty()) {
      ++more;
      continue;
    }
    example = "broker " + std::to_string(number(id)) + " is at " + to_string(told.front().place) +
              " according to " + told.front().server + ", and at " + to_string(other->place) +
              " according to " + other->server;
  }
  if (example.empty()) return {};
  if (more > 0) example += "; " + counted(more, "more broker differs", "more brokers differ");
  return example +
         ": the bootstrap servers are on two listeners of the cluster, or a broker is moving: kferry stays "
         "with the address that it learns first while that one answers: name the servers of one listener in "
         "bootstrap_servers";
}

// Which brokers a server lacks that another one of its cluster lists.
std::vector<std::string> lacking(const Group& group, const std::map<NodeId, std::vector<Told>>& places) {
  std::vector<std::string> warnings;
  for (const ServerList* list : group) {
    if (list->answer.brokers.empty()) continue;  // an error already
    std::set<NodeId> has;
    for (const kafka::AdvertisedBroker& broker : list->answer.brokers) has.insert(broker.id);
    std::vector<std::string> lacks;
    std::string by;
    for (const auto& [id, told] : places) {
      if (has.contains(id)) continue;
      lacks.push_back(std::to_string(number(id)));
      if (by.empty()) by = told.front().server;
    }
    if (lacks.empty()) continue;
    warnings.push_back("the servers give different lists: " + list->server + " lacks " + brokers_text(lacks) +
                       ", unlike " + by +
                       ": expected while a broker starts or stops; kferry keeps a broker that has answered "
                       "in the last 30 seconds");
  }
  return warnings;
}

std::string one_place(const std::map<NodeId, std::vector<Told>>& places) {
  std::map<HostPort, std::set<NodeId>> ids;
  for (const auto& [id, told] : places)
    for (const Told& one : told) ids[one.place].insert(id);
  for (const auto& [place, shared] : ids) {
    if (shared.size() < 2) continue;
    std::vector<std::string> texts;
    for (const NodeId id : shared) texts.push_back(std::to_string(number(id)));
    return brokers_text(texts) + " are all said to be at " + to_string(place) +
           ": clients would reach one of them in place of the others: give each broker advertised.listeners "
           "of its own";
  }
  return {};
}

}  // namespace

ListFindings compare_lists(const config::Cluster& cluster, std::span<const ServerList> lists) {
  ListFindings found;
  for (const ServerList& list : lists)
    if (found.cluster_id.empty() && list.answer.cluster_id) found.cluster_id = *list.answer.cluster_id;
  std::map<std::string, Group> groups;
  for (const ServerList& list : lists) {
    const std::string& id = list.answer.cluster_id.value_or(found.cluster_id);
    groups[id].push_back(&list);
    if (!list.answer.brokers.empty()) continue;
    found.errors.push_back(
        list.server +
        " lists no brokers: kferry and clients learn nothing from it: wait until the cluster has "
        "started, or remove the server from bootstrap_servers");
  }
  if (groups.size() > 1) found.errors.push_back(two_clusters(cluster, groups));
  for (const auto& [id, group] : groups) {
    std::map<NodeId, std::vector<Told>> places;
    std::map<std::pair<NodeId, HostPort>, const kafka::AdvertisedBroker*> seen;
    for (const ServerList* list : group) {
      for (const kafka::AdvertisedBroker& broker : list->answer.brokers) {
        const HostPort place = proxy::canonical(broker.where.host, broker.where.port);
        if (seen.try_emplace({broker.id, place}, &broker).second)
          places[broker.id].push_back({place, list->server});
      }
    }
    for (const auto& [key, broker] : seen) found.brokers.push_back({*broker, id});
    for (std::string& text : lacking(group, places)) found.warnings.push_back(std::move(text));
    if (std::string text = two_listeners(places); !text.empty()) found.errors.push_back(std::move(text));
    if (std::string text = one_place(places); !text.empty()) found.errors.push_back(std::move(text));
  }
  return found;
}

}  // namespace kferry::cli
