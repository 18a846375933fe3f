#include "proxy/topology.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace kferry::proxy {
namespace {

bool before(const Node& node, NodeId id) {
  return number(node.id) < number(id);
}

std::size_t hash_of(const HostPort& address) {
  return std::hash<std::string>()(address.host) * 31 + static_cast<std::size_t>(address.port);
}

}  // namespace

const Node* Snapshot::find(NodeId id) const {
  const auto place = std::lower_bound(nodes.begin(), nodes.end(), id, before);
  return place != nodes.end() && place->id == id ? &*place : nullptr;
}

const Node* Snapshot::at(const HostPort& address) const {
  return first_at(canonical(address.host, address.port), [](const Node& node) { return node.listed; });
}

const Node* Snapshot::first_at(const HostPort& address,
                               const std::function<bool(const Node&)>& applies) const {
  const auto fits = [&](const Node& node) { return node.address == address && applies(node); };
  if (by_address_.size() != nodes.size()) {  // not published
    const auto place = std::ranges::find_if(nodes, fits);
    return place != nodes.end() ? &*place : nullptr;
  }
  const std::size_t hash = hash_of(address);
  auto place = std::lower_bound(by_address_.begin(), by_address_.end(), std::pair(hash, std::uint32_t{0}));
  for (; place != by_address_.end() && place->first == hash; ++place) {
    if (fits(nodes[place->second])) return &nodes[place->second];
  }
  return nullptr;
}

void Snapshot::index() {
  by_address_.clear();
  by_address_.reserve(nodes.size());
  for (std::uint32_t i = 0; i < nodes.size(); ++i) by_address_.emplace_back(hash_of(nodes[i].address), i);
  std::sort(by_address_.begin(), by_address_.end());
}

bool Topology::in_doubt(Instant now) const {
  const std::scoped_lock lock(mutex_);
  return (contradicted_at_ && now - *contradicted_at_ < in_doubt_for) ||
         (moved_at_ && now - *moved_at_ < other_cluster_lifetime);
}

void Topology::bootstrap_moved(Instant now) {
  const std::scoped_lock lock(mutex_);
  if (!snapshot_->cluster_id.empty()) moved_at_ = now;
}

// Clients must not dial what they have been told of before every worker can know it.
void Topology::publish(Snapshot next) {
  ++next.version;
  next.index();
  const auto published = std::make_shared<const Snapshot>(std::move(next));
  {
    const std::scoped_lock lock(mutex_);
    snapshot_ = published;
  }
  changed();
  if (on_publish_) on_publish_(*published);
}

void Topology::publish_if_changed(Draft& draft) {
  if (draft.next) publish(std::move(*draft.next));
}

void Topology::changed() {
  version_.fetch_add(1, std::memory_order_release);
  if (on_change_) on_change_();
}

void Topology::restore(Snapshot known, Instant now) {
  const std::scoped_lock lock(merging_);
  std::ranges::sort(known.nodes, {}, [](const Node& node) { return number(node.id); });
  const auto same = std::ranges::unique(known.nodes, {}, &Node::id);
  known.nodes.erase(same.begin(), same.end());
  if (known.nodes.size() > brokers_max_) known.nodes.resize(brokers_max_);
  for (const Node& node : known.nodes) {
    records_[node.id].taught_by = "the kferry before this one";
    records_[node.id].unlisted_at = now;
  }
  publish(std::move(known));
}

void Topology::wake() {
  changed();
}

std::shared_ptr<const Snapshot> Topology::snapshot() const {
  const std::scoped_lock lock(mutex_);
  return snapshot_;
}

void Topology::dial_succeeded(NodeId id) {
  const std::scoped_lock lock(mutex_);
  if (snapshot_->find(id) != nullptr && reach_[id].succeeded()) changed();
}

// Those that wait are asked again when another one's turn has come meanwhile.
void Topology::dial_failed(NodeId id, Instant now) {
  const std::scoped_lock lock(mutex_);
  if (snapshot_->find(id) == nullptr) return;
  Reach& reach = reach_[id];
  reach.failed(now);
  if (reach.turn_is_due(now)) changed();
}

void Topology::dial_abandoned(NodeId id, Instant now) {
  const std::scoped_lock lock(mutex_);
  const auto place = reach_.find(id);
  if (place == reach_.end()) return;
  place->second.abandoned();
  if (place->second.turn_is_due(now)) changed();
}

Reach::Turn Topology::admit_dial(NodeId id, Instant now, Reach::Waiter waiter) {
  const std::scoped_lock lock(mutex_);
  const auto place = reach_.find(id);
  return place == reach_.end() ? Reach::Turn{} : place->second.admit(now, waiter);
}

void Topology::leave_queue(NodeId id, Reach::Waiter waiter, Instant now) {
  const std::scoped_lock lock(mutex_);
  const auto place = reach_.find(id);
  if (place == reach_.end() || !place->second.leave(waiter)) return;
  if (place->second.turn_is_due(now)) changed();
}

BrokerRecord* Topology::record_at(NodeId id, const HostPort& address) {
  const std::scoped_lock lock(mutex_);
  const Node* node = snapshot_->find(id);
  const auto record = records_.find(id);
  return node == nullptr || record == records_.end() || node->address != address ? nullptr : &record->second;
}

void Topology::attach(NodeId id, const HostPort& address) {
  const std::scoped_lock merging(merging_);
  if (BrokerRecord* record = record_at(id, address)) ++record->attached;
}

// A broker that has moved, and back again, has forgotten the connections from before.
void Topology::detach(NodeId id, const HostPort& address) {
  const std::scoped_lock merging(merging_);
  BrokerRecord* record = record_at(id, address);
  if (record != nullptr && record->attached > 0) --record->attached;
}

bool Topology::answers(NodeId id, const HostPort& address) {
  const std::scoped_lock merging(merging_);
  const BrokerRecord* record = record_at(id, address);
  if (record == nullptr || record->attached == 0 || !record->answered_at) return false;
  return !record->cut_at || *record->cut_at < *record->answered_at;
}

bool Topology::reached(NodeId id) const {
  const std::scoped_lock lock(mutex_);
  const auto place = reach_.find(id);
  return place != reach_.end() && place->second.reached();
}

}  // namespace kferry::proxy
