// What connections tell about the addresses that were dialled, and what follows from it. The rules are in
// proxy/topology.h.
#include "base/assert.h"
#include "proxy/topology.h"

namespace kferry::proxy {

void Topology::choose_candidate(Draft& draft, NodeId id, BrokerRecord& record, Instant now) {
  const Node* node = draft.view().find(id);
  KFERRY_ASSERT(node != nullptr);
  std::optional<HostPort> chosen;
  while (const Claim* best = record.doubted ? record.best_claim(now) : nullptr) {
    // What is known to be another broker's address is not tried.
    const Node* there = draft.at(best->address);
    if (there == nullptr || there->id == id) {
      chosen = best->address;
      break;
    }
    record.find(best->address)->failed = true;
  }
  if (!chosen) {  // every claim has had its turn: the known address has the next
    for (Claim& claim : record.claims) claim.failed = false;
  }
  if (node->candidate == chosen) return;
  if (chosen) forget_reach(id);  // the failures were the known address's
  draft.edit(id).candidate = chosen;
}

template <typename Apply>
void Topology::weigh(NodeId id, const Apply& apply) {
  const std::scoped_lock lock(merging_);
  const std::shared_ptr<const Snapshot> known = snapshot();
  Draft draft{*known};
  const Node* node = known->find(id);
  if (node == nullptr) return;
  apply(draft, *node, records_[id]);
  publish_if_changed(draft);
}

void Topology::answered(NodeId id, const HostPort& address, Instant now) {
  weigh(id, [&](Draft& draft, const Node& node, BrokerRecord& record) {
    if (node.address == address) {
      record.answered_at = now;
      record.doubted = false;
      if (node.candidate) choose_candidate(draft, id, record, now);
    } else if (node.candidate == address) {
      const Claim* claim = record.find(address);
      move(draft, id, address, claim != nullptr ? claim->by : "an earlier answer",
           "the old address gives no Kafka response, and the new one does");
      records_[id].answered_at = now;
    }
  });
}

void Topology::broken(NodeId id, const HostPort& address, Break how, std::uint64_t client, Instant now) {
  weigh(id, [&](Draft& draft, const Node& node, BrokerRecord& record) {
    if (node.address == address) {
      record.broke(now, how != Break::unanswered);
      record.broken_for = how == Break::not_connected ? 0 : client;
      // A client can make a broker close, but not while others are answered, and it may lie about a broker that was
      // there a moment ago.
      const bool alone =
          within(record.answered_at, answered_recently, now) && !record.claimed_beside(client, now);
      const bool telling =
          how == Break::not_connected || (how == Break::unanswered && record.attached == 0 && !alone);
      if (telling) record.doubted = true;
      if (telling && !node.candidate) choose_candidate(draft, id, record, now);
    } else if (node.candidate == address && how != Break::cut) {
      if (Claim* claim = record.find(address)) claim->failed = true;
      choose_candidate(draft, id, record, now);
    }
  });
}

void Topology::denied(NodeId id, const HostPort& address, Instant now) {
  weigh(id, [&](Draft& draft, const Node& node, BrokerRecord& record) {
    if (node.address == address) {
      record.answered_at.reset();
      record.broken_at = now;
      record.broken_for = 0;
      record.doubted = true;
    } else if (Claim* claim = record.find(address)) {
      claim->failed = true;
    }
    choose_candidate(draft, id, record, now);
  });
}

}  // namespace kferry::proxy
