#include "proxy/topology.h"

#include <algorithm>
#include <utility>

namespace kferry::proxy {
namespace {

bool before(const Node& node, NodeId id) {
  return number(node.id) < number(id);
}

// Adds or moves one node. True when something changed.
bool update(std::vector<Node>& nodes, const kafka::BrokerEntry& broker) {
  const HostPort address{std::string(broker.host), broker.port};
  const auto place = std::lower_bound(nodes.begin(), nodes.end(), broker.id, before);
  if (place == nodes.end() || place->id != broker.id) {
    nodes.insert(place, Node{broker.id, address, std::nullopt, true});
    return true;
  }
  bool changed = !place->listed;
  place->listed = true;
  if (place->address != address) {
    place->previous = std::exchange(place->address, address);
    changed = true;
  }
  return changed;
}

bool dialable(const kafka::BrokerEntry& broker) {
  return number(broker.id) >= 0 && !broker.host.empty() && broker.port > 0 && broker.port <= 65535;
}

}  // namespace

const Node* Snapshot::find(NodeId id) const {
  const auto place = std::lower_bound(nodes.begin(), nodes.end(), id, before);
  return place != nodes.end() && place->id == id ? &*place : nullptr;
}

const Node* Snapshot::at(const HostPort& address) const {
  const auto place = std::find_if(nodes.begin(), nodes.end(),
                                  [&](const Node& node) { return node.listed && node.address == address; });
  return place != nodes.end() ? &*place : nullptr;
}

bool Topology::accept_cluster(const kafka::BrokerList& list, Origin& origin, Instant now, Snapshot& next,
                              bool& changed) {
  const std::string id(*list.cluster_id);
  if (next.cluster_id.empty() || next.cluster_id == id) {
    changed = next.cluster_id != id;
    next.cluster_id = id;
    origin.confirmed = true;
    confirmed_at_ = now;
    return true;
  }
  if (!origin.bootstrap || now - confirmed_at_ < rebuilt_after) {
    contradicted_at_ = now;
    return false;
  }
  log_.write({Severity::warning, "cluster_rebuilt", name_,
              "cluster " + name_ + " reports id " + id + " where " + next.cluster_id +
                  " was, and nothing has confirmed the old id for 60 s: forgetting every learnt broker"});
  next.cluster_id = id;
  next.nodes.clear();
  reach_.clear();
  changed = true;
  origin.confirmed = true;
  confirmed_at_ = now;
  return true;
}

bool Topology::learn(const kafka::BrokerList& list, Origin& origin, Instant now) {
  const std::scoped_lock lock(mutex_);
  Snapshot next = *snapshot_;
  bool changed = false;
  if (list.cluster_id && !list.cluster_id->empty()) {
    if (!accept_cluster(list, origin, now, next, changed)) return false;
  } else if (origin.bootstrap && !origin.confirmed && !next.cluster_id.empty()) {
    return true;  // whose brokers these are is in doubt: translated, not learnt
  }
  if (list.full) {
    for (Node& node : next.nodes) {
      const bool named = std::any_of(list.brokers.begin(), list.brokers.end(),
                                     [&](const kafka::BrokerEntry& broker) { return broker.id == node.id; });
      if (node.listed && !named) {
        node.listed = false;
        changed = true;
      }
    }
  }
  for (const kafka::BrokerEntry& broker : list.brokers) {
    if (!dialable(broker)) continue;
    const Node* known = next.find(broker.id);
    const bool moved = known != nullptr && known->address != HostPort{std::string(broker.host), broker.port};
    if (moved) {
      log_.write({Severity::info, "broker_moved", name_,
                  "broker " + std::to_string(number(broker.id)) + " of cluster " + name_ + " moved from " +
                      to_string(known->address) + " to " +
                      to_string({std::string(broker.host), broker.port})});
      reach_.erase(broker.id);
    }
    changed = update(next.nodes, broker) || changed;
  }
  if (changed) publish(std::move(next));
  return true;
}

bool Topology::in_doubt(Instant now) const {
  const std::scoped_lock lock(mutex_);
  return contradicted_at_ > confirmed_at_ && now - confirmed_at_ >= rebuilt_after;
}

void Topology::publish(Snapshot next) {
  next.version = snapshot_->version + 1;
  snapshot_ = std::make_shared<const Snapshot>(std::move(next));
  if (on_publish_) on_publish_(*snapshot_);
  changed();
}

void Topology::changed() {
  version_.fetch_add(1, std::memory_order_release);
  if (on_change_) on_change_();
}

std::shared_ptr<const Snapshot> Topology::snapshot() const {
  const std::scoped_lock lock(mutex_);
  return snapshot_;
}

void Topology::dial_succeeded(NodeId id, const HostPort& address) {
  const std::scoped_lock lock(mutex_);
  Reach& reach = reach_[id];
  const bool news = !std::exchange(reach.reached, true);
  reach.backoff = {};
  reach.not_before = {};
  const Node* node = snapshot_->find(id);
  if (node != nullptr && node->previous && node->address == address) {
    Snapshot next = *snapshot_;
    for (Node& candidate : next.nodes) {
      if (candidate.id == id) candidate.previous.reset();
    }
    publish(std::move(next));
  } else if (news) {
    changed();
  }
}

void Topology::dial_failed(NodeId id, Instant now) {
  const std::scoped_lock lock(mutex_);
  Reach& reach = reach_[id];
  reach.reached = false;
  if (now < reach.not_before) return;  // several connections failed at once: one step of backoff
  reach.backoff = std::clamp(reach.backoff * 2, backoff_min, backoff_max);
  reach.not_before = now + reach.backoff;
}

bool Topology::may_dial(NodeId id, Instant now) const {
  const std::scoped_lock lock(mutex_);
  const auto place = reach_.find(id);
  return place == reach_.end() || now >= place->second.not_before;
}

bool Topology::reached(NodeId id) const {
  const std::scoped_lock lock(mutex_);
  const auto place = reach_.find(id);
  return place != reach_.end() && place->second.reached;
}

}  // namespace kferry::proxy
