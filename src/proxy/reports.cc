#include "proxy/reports.h"

#include "base/counted.h"
#include "kafka/api_keys.h"
#include "proxy/broker_list.h"
#include "proxy/discovery.h"
#include "proxy/loop_guard.h"
#include "proxy/runtime.h"

namespace kferry::proxy {
namespace {

void report_own_place(ClusterState& cluster, NodeId id, const HostPort& place, const SocketAddress& address,
                      LogSink& log) {
  if (!cluster.note_own_place(place)) return;
  const std::string resolved = place.host == address.host_text() ? "" : " (" + address.text() + ")";
  log.write(
      {Severity::error, "own_address_learnt", cluster.name + "/" + std::to_string(number(id)),
       "broker " + std::to_string(number(id)) + " of cluster " + cluster.name + " is said to be at " +
           to_string(place) + resolved + ", which " + std::string(own_advertised) +
           ": a dial would come back to kferry again and again, so it is never made: correct the broker's "
           "advertised.listeners, or kferry's advertised_host"});
}

}  // namespace

std::string shown_attempts(std::string_view tried) {
  constexpr std::size_t shown_max = 1000;
  if (tried.size() <= shown_max) return std::string(tried);
  // An attempt ends in its reason, in brackets: " 10.0.0.1:9092 (Connection refused)".
  const std::size_t end = tried.rfind(") ", shown_max);
  const std::string_view shown = tried.substr(0, end == std::string_view::npos ? shown_max : end + 1);
  std::size_t left_out = 0;
  for (std::size_t at = shown.size(); (at = tried.find(")", at)) != std::string_view::npos; ++at)
    left_out += at + 1 == tried.size() || tried[at + 1] == ' ' ? 1U : 0U;
  return std::string(shown) + " and about " + std::to_string(left_out) + " more";
}

void report_unreachable(ClusterState& cluster, NodeId id, std::string_view tried, Instant now, LogSink& log) {
  if (!cluster.outages.begin(id, now)) return;
  const std::string& name = cluster.name;
  log.write(
      {Severity::warning, "broker_unreachable", name + "/" + std::to_string(number(id)),
       "broker " + std::to_string(number(id)) + " of cluster " + name + " cannot be reached: tried" +
           shown_attempts(tried) +
           ": other brokers stand in for bootstrap until it can be reached, which another line will say"});
}

void report_reached(ClusterState& cluster, NodeId id, const HostPort& where, Instant now, LogSink& log) {
  const std::optional<Duration> outage = cluster.outages.end(id, now);
  if (!outage) return;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*outage).count();
  const std::string& name = cluster.name;
  log.write({Severity::info, "broker_reached", name + "/" + std::to_string(number(id)),
             "broker " + std::to_string(number(id)) + " of cluster " + name + " can be reached again at " +
                 to_string(where) + ", after " +
                 (seconds == 0 ? "less than a second" : counted(seconds, "second"))});
}

std::string other_cluster_advice(const config::Upstream& upstream) {
  if (upstream.on_cluster_change == config::OnClusterChange::refuse) {
    return "on_cluster_change = refuse demands the known cluster: correct the bootstrap servers, or restart "
           "kferry to "
           "take the other one";
  }
  const std::string when =
      Discovery::possible(upstream)
          ? "every bootstrap server that answers reports it"
          : "two clients' connections to bootstrap servers report it and none the known one";
  return "kferry changes over once " + when +
         ", and until then ends such connections: if the bootstrap servers belong to two clusters, keep "
         "those of one "
         "in bootstrap_servers, and give the other a [cluster.NAME] of its own";
}

void report_limited(const ClusterState& cluster, NodeId id, const HostPort& where, LogSink& log) {
  const std::string& name = cluster.name;
  log.write(
      {Severity::warning, "broker_limits_connections", name + "/" + std::to_string(number(id)),
       "broker " + std::to_string(number(id)) + " of cluster " + name + " at " + to_string(where) +
           " closes a new connection before it says anything, while it answers on others: most likely a "
           "limit of the broker's, for which all clients behind kferry count as one address: raise "
           "max.connections.per.ip or set max.connections.per.ip.overrides for this host, and raise its "
           "quota connection_creation_rate"});
}

std::string_view why_not_dialled(const Runtime& runtime, ClusterState& cluster,
                                 const connection::Candidate& candidate, const SocketAddress& address,
                                 Instant now, const SocketAddress& from) {
  const std::string_view why =
      runtime.why_not_dialled(cluster, address, candidate.node ? &candidate.address : nullptr, now, from);
  if (why == own_advertised)
    report_own_place(cluster, *candidate.node, candidate.address, address, runtime.log);
  if (why.empty() && runtime.loops.leads_back(canonical(candidate.address.host, candidate.address.port), now))
    return "leads back to this kferry";
  return why;
}

bool returns_to_kferry(Runtime& runtime, std::string_view client_id, Instant now) {
  if (!client_id.starts_with(marked_client_id)) return false;
  const auto returned = runtime.loops.returned(client_id.substr(marked_client_id.size()), now);
  if (!returned) return false;
  if (returned->news) {
    const std::string place = to_string(returned->place);
    runtime.log.write(
        {Severity::error, "dial_loop", place,
         place +
             " leads back to this kferry: a question that kferry sent there came in on one of its own "
             "listeners, through a balancer, DNAT or another kferry: nothing is served from there: correct "
             "bootstrap_servers if they name it, otherwise the broker's advertised.listeners"});
  }
  return true;
}

void report_unanswered(const ClusterState& cluster, const HostPort& place, LogSink& log) {
  log.write(
      {Severity::warning, "place_never_answers", cluster.name,
       counted(LoopGuard::free, "connection") + " in a row to " + to_string(place) + " of cluster " +
           cluster.name +
           " had no Kafka response: further ones are paced to two a second until one is answered: either the "
           "broker hangs, or its address leads back to kferry, perhaps through a balancer or another kferry: "
           "correct advertised.listeners there"});
}

void report_denied(const ClusterState& cluster, NodeId id, const HostPort& where, LogSink& log) {
  const std::string& name = cluster.name;
  log.write({Severity::warning, "wrong_broker", name + "/" + std::to_string(number(id)),
             "the broker at " + to_string(where) + " answers that it is not broker " +
                 std::to_string(number(id)) + " of cluster " + name +
                 ": its name is resolved anew, and another address that a response has named "
                 "is tried first"});
}

void report_left_out(ClusterState& cluster, const config::Listener& listener, ApiKey source, NodeId id,
                     LogSink& log) {
  if (!cluster.note_left_out(id)) return;
  log.write({Severity::warning, "broker_left_out", listener.name,
             "broker " + std::to_string(number(id)) + " was left out of a " +
                 std::string(kafka::api_name(source)) + " response: listener " + listener.name +
                 " has no port for it, and its own address never goes to a client"});
}

void report_hidden_api(ClusterState& cluster, ApiKey key, LogSink& log) {
  if (!cluster.note_hidden(key)) return;
  log.write({Severity::info, "api_hidden", cluster.name,
             "the brokers of cluster " + cluster.name + " offer " + std::string(kafka::api_name(key)) +
                 " (key " + std::to_string(number(key)) + "), which is hidden from clients: it may carry " +
                 "addresses kferry does not know of; pass_api_keys lets it through"});
}

void report_deviation(ClusterState& cluster, const HostPort& where, ApiKey source, kafka::Deviation how,
                      LogSink& log) {
  if (!cluster.note_deviation(source, how)) return;
  std::string what;
  switch (how) {
    case kafka::Deviation::null_array:
      what = " response has null where Kafka's schema has an array that may only be empty";
      break;
    case kafka::Deviation::trailing_bytes:
      what = " response has bytes after its last field";
      break;
    case kafka::Deviation::unexpected_answer:
      what = " request with acks=0 was answered, which Kafka never does";
      break;
  }
  log.write({Severity::info, "server_deviates", cluster.name,
             "server " + to_string(where) + " of cluster " + cluster.name + ": a " +
                 std::string(kafka::api_name(source)) + what + ": passed, since clients take it"});
}

}  // namespace kferry::proxy
