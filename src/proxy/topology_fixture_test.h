// A topology with clients that teach it, for tests.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "doctest/doctest.h"
#include "kafka/api_keys.h"
#include "proxy/topology.h"

namespace kferry::proxy {

using kafka::BrokerEntry;
using kafka::BrokerList;
using std::chrono::seconds;

class Lines final : public LogSink {
 public:
  void write(const LogEvent& event) noexcept override {
    causes.emplace_back(event.cause);
    texts.push_back(event.text);
  }
  std::vector<std::string> causes;
  std::vector<std::string> texts;
};

inline bool admits(Topology& topology, NodeId id, Instant now) {
  return topology.admit_dial(id, now, nullptr).admission != Reach::Admission::wait;
}

// A client, or with an empty address kferry's own discovery, and the server that it asks.
struct Asker {
  std::string address = "10.1.1.1";
  std::string client_id = "app";
  HostPort server = {"a", 9092};
};

using Lesson = Topology::Lesson;
using Break = Topology::Break;

struct Fixture {
  Lines log;
  Topology topology{"test", log};
  Instant now{seconds(1000)};

  Lesson teach(const Asker& asker, const std::vector<BrokerEntry>& brokers, bool full = true,
               std::optional<std::string_view> cluster_id = "c1", Origin origin = {}, bool seconded = false) {
    BrokerList list;
    list.source = kafka::metadata_key;
    list.full = full;
    list.cluster_id = cluster_id;
    list.brokers = brokers;
    const auto address = SocketAddress::parse(asker.address, 0);
    Teacher teacher;
    if (address) teacher.client_address = &*address;
    teacher.client_id = asker.client_id;
    teacher.server = asker.server;
    teacher.bootstrap = origin.bootstrap;
    teacher.seconded = seconded;
    return topology.learn(list, origin, teacher, now);
  }
  bool learn(bool full, std::optional<std::string_view> cluster_id, const std::vector<BrokerEntry>& brokers,
             Origin origin = {}) {
    return teach({}, brokers, full, cluster_id, origin) != Lesson::other_cluster;
  }
  HostPort address(std::int32_t id) const { return topology.snapshot()->find(NodeId{id})->address; }
  std::optional<HostPort> candidate(std::int32_t id) const {
    return topology.snapshot()->find(NodeId{id})->candidate;
  }
  const Node* node(std::int32_t id) const { return topology.snapshot()->find(NodeId{id}); }
  void broken(std::int32_t id, const HostPort& where, Break how, std::uint64_t client = 7) {
    topology.broken(NodeId{id}, where, how, client, now);
  }
};

const Asker hostile{"10.6.6.6", "evil", {"a", 9092}};
const Asker other{"10.2.2.2", "other", {"b", 9092}};
const Asker discovery{"", "", {"boot", 9092}};

// Its first list named three brokers.
inline const std::vector<BrokerEntry> truth = {
    {NodeId{1}, "a", 9092}, {NodeId{2}, "b", 9092}, {NodeId{3}, "c", 9092}};

struct Known : Fixture {
  Known() { REQUIRE(teach({}, truth) == Lesson::learnt); }
  bool unmoved() const {
    return address(1) == HostPort{"a", 9092} && address(2) == HostPort{"b", 9092} &&
           address(3) == HostPort{"c", 9092};
  }
  bool logged(std::string_view part) const {
    for (const std::string& text : log.texts)
      if (text.find(part) != std::string::npos) return true;
    return false;
  }
};

}  // namespace kferry::proxy
