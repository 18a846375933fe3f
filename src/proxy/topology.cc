#include "proxy/topology.h"

#include <algorithm>
#include <utility>

namespace kferry::proxy {
namespace {

bool before(const Node& node, NodeId id) {
  return number(node.id) < number(id);
}

}  // namespace

const Node* Snapshot::find(NodeId id) const {
  const auto place = std::lower_bound(nodes.begin(), nodes.end(), id, before);
  return place != nodes.end() && place->id == id ? &*place : nullptr;
}

const Node* Snapshot::at(const HostPort& address) const {
  const HostPort spelt = canonical(address.host, address.port);
  const auto place = std::find_if(nodes.begin(), nodes.end(),
                                  [&](const Node& node) { return node.listed && node.address == spelt; });
  return place != nodes.end() ? &*place : nullptr;
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

void Topology::publish(Snapshot next) {
  next.version = snapshot_->version + 1;
  snapshot_ = std::make_shared<const Snapshot>(std::move(next));
  if (on_publish_) on_publish_(*snapshot_);
  changed();
}

void Topology::publish_if_changed(Draft& draft) {
  if (draft.next) publish(std::move(*draft.next));
}

void Topology::changed() {
  version_.fetch_add(1, std::memory_order_release);
  if (on_change_) on_change_();
}

void Topology::wake() {
  const std::scoped_lock lock(mutex_);
  changed();
}

std::shared_ptr<const Snapshot> Topology::snapshot() const {
  const std::scoped_lock lock(mutex_);
  return snapshot_;
}

void Topology::dial_succeeded(NodeId id) {
  const std::scoped_lock lock(mutex_);
  if (reach_[id].succeeded()) changed();
}

void Topology::dial_failed(NodeId id, Instant now) {
  const std::scoped_lock lock(mutex_);
  reach_[id].failed(now);
}

void Topology::dial_abandoned(NodeId id) {
  const std::scoped_lock lock(mutex_);
  if (const auto place = reach_.find(id); place != reach_.end()) place->second.abandoned();
}

bool Topology::admit_dial(NodeId id, Instant now) {
  const std::scoped_lock lock(mutex_);
  const auto place = reach_.find(id);
  return place == reach_.end() || place->second.admit(now);
}

bool Topology::reached(NodeId id) const {
  const std::scoped_lock lock(mutex_);
  const auto place = reach_.find(id);
  return place != reach_.end() && place->second.reached();
}

}  // namespace kferry::proxy
