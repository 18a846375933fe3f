// What discovery makes of the servers' answers: a second opinion where one contradicts what is known, and another
// cluster where every bootstrap server reports it. Documented in proxy/discovery.h and proxy/topology.h.
#include <algorithm>
#include <utility>

#include "base/counted.h"
#include "kafka/api_keys.h"
#include "kafka/client_codec.h"
#include "proxy/discovery.h"
#include "proxy/reports.h"
#include "proxy/worker.h"

namespace kferry::proxy {
namespace {

std::vector<kafka::BrokerEntry> entries_of(const kafka::MetadataAnswer& answer) {
  std::vector<kafka::BrokerEntry> brokers;
  for (const kafka::AdvertisedBroker& broker : answer.brokers)
    brokers.push_back({broker.id, broker.where.host, broker.where.port});
  return brokers;
}

// `brokers` are those of the answer; both outlive the list.
kafka::BrokerList full_list(const kafka::MetadataAnswer& answer,
                            const std::vector<kafka::BrokerEntry>& brokers) {
  kafka::BrokerList list;
  list.source = kafka::metadata_key;
  list.full = true;
  if (answer.cluster_id) list.cluster_id = *answer.cluster_id;
  list.brokers = brokers;
  return list;
}

}  // namespace

void Discovery::on_metadata(std::span<const std::byte> frame) {
  const auto answer = kafka::decode_metadata(frame, CorrelationId{correlation_id_});
  if (!answer) {
    reject(answer.error().text);
    return;
  }
  if (!first_opinion_.empty() && dialler().address() == first_opinion_from_)
    return reject("it was asked before");
  std::vector<kafka::BrokerEntry> brokers = entries_of(*answer);
  if (brokers.empty()) {
    reject("it lists no broker yet");
    return;
  }
  kafka::BrokerList list = full_list(*answer, brokers);
  ClusterState& known = cluster();
  Origin origin{!dialler().candidate().node.has_value(), false};
  const bool first = view_->snapshot(cluster_).nodes.empty();
  Teacher teacher;
  teacher.server = dialler().candidate().address;
  teacher.bootstrap = origin.bootstrap;
  const Topology::Lesson lesson = known.topology.learn(list, origin, teacher, worker_.now());
  if (lesson == Topology::Lesson::other_cluster) {
    if (origin.bootstrap) note_other_cluster(*answer);
    return reject("another cluster answers there");
  }
  if (other_) {
    const std::string& name = known.name;
    worker_.runtime().log.write(
        {Severity::warning, "cluster_changed", name,
         "cluster " + name + " keeps its id, which not every bootstrap server reports: " +
             to_string(other_->server) + " belongs to cluster id " +
             other_->answer.cluster_id.value_or("(none)") + ": " + other_cluster_advice(config().upstream)});
    other_.reset();
  }
  if (lesson == Topology::Lesson::contested || !first_opinion_.empty()) {
    if (first_opinion_.empty()) {
      first_opinion_from_ = dialler().address();
      for (const kafka::AdvertisedBroker& broker : answer->brokers)
        first_opinion_.emplace(broker.id, canonical(broker.where.host, broker.where.port));
      return reject("its answer contradicts what is known: another server is asked");
    }
    // What both say is followed.
    std::erase_if(brokers, [&](const kafka::BrokerEntry& broker) {
      const auto before = first_opinion_.find(broker.id);
      return before == first_opinion_.end() || before->second != canonical(broker.host, broker.port);
    });
    list.full = false;
    list.brokers = brokers;
    teacher.seconded = true;
    known.topology.learn(list, origin, teacher, worker_.now());
  }
  if (first) {
    std::string text = "cluster " + known.name + " has " + counted(brokers.size(), "broker") + ":";
    for (const kafka::BrokerEntry& broker : brokers) text += " " + std::to_string(number(broker.id));
    worker_.runtime().log.write({Severity::info, "discovered", known.name, std::move(text)});
  }
  sasl_.reset();
  leave();
}

// --- another cluster

void Discovery::note_other_cluster(kafka::MetadataAnswer answer) {
  if (!other_) {
    other_ = OtherCluster{std::move(answer), dialler().candidate().address};
  } else if (other_->answer.cluster_id != answer.cluster_id) {
    disagreed_ = true;
  }
}

bool Discovery::follow_other_cluster() {
  // A server that the round's budget has left out might have disagreed.
  const bool all_asked = bootstrap_asked_ >= config().upstream.bootstrap_servers.size();
  const bool agreed = other_ && all_asked && !disagreed_ && first_opinion_.empty();
  const std::optional<OtherCluster> other = std::exchange(other_, std::nullopt);
  disagreed_ = false;
  if (!agreed) return false;
  const std::vector<kafka::BrokerEntry> brokers = entries_of(other->answer);
  const kafka::BrokerList list = full_list(other->answer, brokers);
  Teacher teacher;
  teacher.server = other->server;
  teacher.bootstrap = true;
  teacher.seconded = true;
  Origin origin{true, false};
  return cluster().topology.learn(list, origin, teacher, worker_.now()) != Topology::Lesson::other_cluster;
}

}  // namespace kferry::proxy
