// What a topology forgets, and when: brokers that one client alone has named, brokers that no list names any more or
// that another one replaces, and claims. The rules are in proxy/topology.h.
#include <algorithm>
#include <set>
#include <utility>

#include "proxy/topology.h"

namespace kferry::proxy {

void Topology::forget_reach(NodeId id) {
  const std::scoped_lock lock(mutex_);
  reach_.erase(id);
}

template <typename Forgotten>
void Topology::forget(Snapshot& next, const Forgotten& forgotten) {
  std::erase_if(next.nodes, [&](const Node& node) {
    if (!forgotten(node)) return false;
    if (node.provisional) --provisional_;
    records_.erase(node.id);
    forget_reach(node.id);
    return true;
  });
}

// Provisional brokers that only one client has heard of for a while.
void Topology::lapse(Lecture& lecture) {
  if (provisional_ == 0) return;
  const auto lapsed = [&](const Node& node) {
    return node.provisional && records_[node.id].lapses_at <= lecture.now;
  };
  if (std::ranges::none_of(lecture.draft.view().nodes, lapsed)) return;
  Snapshot& next = lecture.draft.edit();
  for (Node& node : next.nodes) {
    if (!lapsed(node) || !records_[node.id].was_confirmed) continue;
    node.provisional = false;
    node.returning = false;
    node.listed = false;
    records_[node.id].unlisted_at = lecture.now;
    --provisional_;
  }
  forget(next, lapsed);
}

// A broker that the list lacks while another id has its address: one that was given a new id, or whose address was.
// What answers there says nothing about the former id any more.
void Topology::hear_replacements(Lecture& lecture) {
  const bool seconded = lecture.teacher.discovery() && lecture.teacher.seconded;
  if (lecture.first || !(lecture.list.full || seconded)) return;
  const std::vector<NamedBroker>& named = lecture.named.brokers;
  const auto is_named = [&](NodeId id) {
    return std::ranges::binary_search(named, number(id), {}, [](const auto& one) { return number(one.id); });
  };
  for (const NamedBroker& broker : named) {
    const Node* node = lecture.draft.known.first_at(broker.address, [&](const Node& one) {
      const Node* now = lecture.draft.view().find(one.id);
      return now != nullptr && now->listed && !now->provisional && now->address == broker.address &&
             !is_named(one.id);
    });
    if (node == nullptr) continue;
    const NodeId id = node->id;
    BrokerRecord& record = records_[id];
    if (!seconded && !broke_for_others(lecture, record)) {
      lecture.contested = true;
      continue;
    }
    record.unlisted_at = lecture.now;
    record.answered_at.reset();
    lecture.draft.edit(id).listed = false;
    log_.write({Severity::info, "broker_moved", name_ + "/" + std::to_string(number(id)),
                "broker " + std::to_string(number(id)) + " of cluster " + name_ + " is replaced by broker " +
                    std::to_string(number(broker.id)) + " at " + to_string(broker.address) +
                    ", according to " + lecture.teacher.text(lecture.list.source)});
  }
}

// Any client could invent a list; that the connections of others broke lately, it could not.
bool Topology::broke_for_others(const Lecture& lecture, const BrokerRecord& record) const {
  if (!within(record.broken_at, broken_lately, lecture.now)) return false;
  return lecture.teacher.discovery() || record.broken_for != lecture.teacher.client();
}

void Topology::tidy(Lecture& lecture) {
  const Instant now = lecture.now;
  {
    const std::scoped_lock lock(mutex_);
    if (now < tidy_at_) return;
    tidy_at_ = now + tidy_interval;
  }
  const auto outdated = [&](const Node& node) {
    return !node.listed && !node.provisional && now - records_[node.id].unlisted_at >= unlisted_lifetime;
  };
  if (std::ranges::any_of(lecture.draft.view().nodes, outdated)) forget(lecture.draft.edit(), outdated);
  claimed_ = false;
  for (auto& [id, record] : records_) {
    const Node* node = lecture.draft.view().find(id);
    std::erase_if(record.claims, [&](const Claim& claim) {
      const bool candidate = node != nullptr && node->candidate == claim.address;
      return !candidate && now - claim.named_at > BrokerRecord::report_interval;
    });
    claimed_ = claimed_ || !record.claims.empty();
  }
}

// Forgets the brokers that have been unlisted for the longest time, as far as these many new ones need their places.
void Topology::make_room(Lecture& lecture, std::size_t wanted) {
  const std::size_t nodes = lecture.draft.view().nodes.size();
  const std::size_t max = brokers_max_;
  if (nodes + wanted <= max) return;
  std::vector<std::pair<Instant, NodeId>> unlisted;
  for (const Node& node : lecture.draft.view().nodes) {
    if (!node.listed && !node.provisional) unlisted.emplace_back(records_[node.id].unlisted_at, node.id);
  }
  if (unlisted.empty()) return;
  std::ranges::sort(unlisted);
  unlisted.resize(std::min(unlisted.size(), nodes + wanted - max));
  std::set<NodeId> leaving;
  for (const auto& [at, id] : unlisted) leaving.insert(id);
  forget(lecture.draft.edit(), [&](const Node& node) { return leaving.contains(node.id); });
}

}  // namespace kferry::proxy
