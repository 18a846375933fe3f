#include "proxy/broker_evidence.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "kafka/api_keys.h"
#include "proxy/topology_fixture_test.h"

namespace kferry::proxy {
namespace {

const SocketAddress client = *SocketAddress::parse("10.1.1.1", 40000);
const HostPort broker_1{"k1", 9092};

struct Counted final : Doubts {
  void doubt_name(const std::string& host) override { names.push_back(host); }
  void want_discovery(ClusterState& /*cluster*/) override { ++discoveries; }
  std::vector<std::string> names;
  int discoveries = 0;
};

// A cluster of the brokers 0 to 2, and a connection that was dialled at one of them.
struct Dialled {
  explicit Dialled(const HostPort& where = broker_1, std::optional<NodeId> node = NodeId{1}) {
    kafka::BrokerList list;
    list.source = kafka::metadata_key;
    list.full = true;
    const std::vector<BrokerEntry> brokers{
        {NodeId{0}, "k0", 9092}, {NodeId{1}, "k1", 9092}, {NodeId{2}, "k2", 9092}};
    list.brokers = brokers;
    Origin origin;
    cluster.topology.learn(list, origin, {}, now);
    evidence.opened({where, node}, loops);
  }
  BrokerEvidence::Listeners listeners() { return {cluster, loops, log, doubts}; }
  // On another connection, which stays open.
  void others_answer() {
    cluster.topology.answered(NodeId{1}, broker_1, now);
    cluster.topology.attach(NodeId{1}, broker_1);
  }
  void broken(bool answered, bool sasl_first = false, bool closed = true) {
    const std::uint64_t who = evidence.teacher(client, "app").client();
    evidence.note_broken({answered, closed, sasl_first}, conversation, who, now, listeners());
  }
  bool logged(std::string_view cause) const { return std::ranges::count(log.causes, cause) > 0; }

  Lines log;
  Counted doubts;
  LoopGuard loops;
  ClusterState cluster{"main", log};
  const kafka::Policy policy{};
  kafka::Conversation conversation{policy};
  Instant now{seconds(1000)};
  BrokerEvidence evidence;
};

TEST_CASE("the first answer is news, and others are only after the interval") {
  Dialled d;
  CHECK(!d.evidence.is_news(d.now, false));
  REQUIRE(d.evidence.is_news(d.now, true));
  d.evidence.note_answer(d.now, d.listeners());
  CHECK(d.cluster.topology.answers(NodeId{1}, broker_1));
  CHECK(!d.evidence.is_news(d.now + seconds(1), true));
  CHECK(d.evidence.is_news(d.now + BrokerEvidence::answer_interval, true));
}

TEST_CASE("a bootstrap server's answers are news for the guard against loops, once") {
  Dialled d({"boot", 9092}, std::nullopt);
  REQUIRE(d.evidence.is_news(d.now, true));
  d.evidence.note_answer(d.now, d.listeners());
  CHECK(!d.evidence.is_news(d.now + seconds(60), true));
  CHECK(d.evidence.origin().bootstrap);
}

TEST_CASE("who answers at a bootstrap server is known by the address that a broker is listed at") {
  Dialled d({"K1", 9092}, std::nullopt);
  d.evidence.identify(*d.cluster.topology.snapshot(), NodeId{0});
  CHECK(d.evidence.node() == NodeId{1});
  CHECK(d.evidence.dialled() == broker_1);
  Dialled elsewhere({"boot", 9092}, std::nullopt);
  elsewhere.evidence.identify(*elsewhere.cluster.topology.snapshot(), NodeId{0});
  CHECK(elsewhere.evidence.node() == std::nullopt);
}

TEST_CASE("names are searched once, and identify the broker whose name leads to the socket's address") {
  Dialled d({"boot", 9092}, std::nullopt);
  const SocketAddress here = *SocketAddress::parse("10.0.0.1", 9092);
  const auto snapshot = d.cluster.topology.snapshot();
  REQUIRE(d.evidence.may_search());
  d.evidence.search(here, *snapshot);
  CHECK(!d.evidence.may_search());
  while (d.evidence.searching()) {
    const bool is_here = d.evidence.name_to_resolve().host == "k2";
    d.evidence.on_resolved(std::vector{is_here ? here : client}, *snapshot);
  }
  CHECK(d.evidence.node() == NodeId{2});
  CHECK(d.evidence.dialled() == HostPort{"k2", 9092});
}

TEST_CASE("a break is told once, and doubts the name that was dialled") {
  Dialled d;
  d.broken(true);
  d.broken(true);
  CHECK(d.doubts.names == std::vector<std::string>{"k1"});
  CHECK(!d.evidence.limited());
}

TEST_CASE("a broker that ends a connection at once while it answers on others is limited") {
  Dialled d;
  d.others_answer();
  d.conversation.push({.key = kafka::api_versions_key, .version = 0, .correlation_id = CorrelationId{1}});
  d.broken(false);
  CHECK(d.evidence.limited());
}

TEST_CASE("a broker that has answered and has no connection left is not limited when it ends one") {
  Dialled first;
  first.evidence.note_answer(first.now, first.listeners());
  CHECK(first.cluster.topology.answers(NodeId{1}, broker_1));
  first.evidence.leave(first.cluster.topology);
  first.evidence.leave(first.cluster.topology);
  CHECK(!first.cluster.topology.answers(NodeId{1}, broker_1));
  Dialled d;
  d.cluster.topology.answered(NodeId{1}, broker_1, d.now);
  d.conversation.push({.key = kafka::api_versions_key, .version = 0, .correlation_id = CorrelationId{1}});
  d.broken(false);
  CHECK(!d.evidence.limited());
}

TEST_CASE("a client that may have provoked the end proves no limit") {
  Dialled d;
  d.others_answer();
  d.conversation.push({.key = kafka::metadata_key, .version = 0, .correlation_id = CorrelationId{1}});
  d.broken(false, true);
  CHECK(!d.evidence.limited());
}

TEST_CASE("a broker that says nothing until its client leaves has refused nothing") {
  Dialled d;
  d.others_answer();
  d.conversation.push({.key = kafka::metadata_key, .version = 0, .correlation_id = CorrelationId{1}});
  d.broken(false, false, false);
  CHECK(!d.evidence.limited());
}

TEST_CASE("where no SASL comes first, any request is answered, and a limit is seen by any") {
  Dialled d;
  d.others_answer();
  d.conversation.push({.key = kafka::metadata_key, .version = 0, .correlation_id = CorrelationId{1}});
  d.broken(false);
  CHECK(d.evidence.limited());
}

TEST_CASE("a denial counts only for the request that named this broker exactly") {
  Dialled d;
  d.evidence.note_denied(CorrelationId{4}, d.now, d.listeners());
  CHECK(d.doubts.discoveries == 0);
  d.evidence.note_exact(CorrelationId{5});
  d.evidence.note_denied(CorrelationId{4}, d.now, d.listeners());
  CHECK(d.doubts.discoveries == 0);
  d.evidence.note_denied(CorrelationId{5}, d.now, d.listeners());
  CHECK(d.doubts.discoveries == 1);
  // Another broker answers here, and its answers and its break say nothing about this one.
  CHECK(!d.evidence.is_news(d.now + seconds(3600), true));
  d.broken(true);
  CHECK(d.doubts.names.size() == 1);
}

}  // namespace
}  // namespace kferry::proxy
