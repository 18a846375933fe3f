// How a topology learns: which lists, claims and pieces of evidence change it. The rules are in proxy/topology.h.
#include <algorithm>
#include <ranges>
#include <set>
#include <utility>

#include "base/assert.h"
#include "base/counted.h"
#include "kafka/api_keys.h"
#include "proxy/topology.h"

namespace kferry::proxy {
namespace {

// Brokers that one list may make exchange their addresses.
constexpr std::size_t swaps_max = 256;

std::string name_of(NodeId id) {
  return "broker " + std::to_string(number(id));
}

bool by_id(const Node& a, const Node& b) {
  return number(a.id) < number(b.id);
}

}  // namespace

Snapshot& Topology::Draft::edit() {
  if (!next) {
    next.emplace();  // its index follows when it is published
    next->version = known.version;
    next->cluster_id = known.cluster_id;
    next->nodes = known.nodes;
  }
  return *next;
}

const Node* Topology::Draft::at(const HostPort& address) const {
  const auto is_there = [&](NodeId id) {
    const Node* node = view().find(id);
    return node != nullptr && node->listed && node->address == address;
  };
  const auto here = moved.find(address);
  if (here != moved.end() && is_there(here->second)) return view().find(here->second);
  const Node* node = known.first_at(address, [&](const Node& one) { return is_there(one.id); });
  return node != nullptr ? view().find(node->id) : nullptr;
}

Node& Topology::Draft::edit(NodeId id) {
  const Node* node = view().find(id);
  KFERRY_ASSERT(node != nullptr);
  const auto index = static_cast<std::size_t>(node - view().nodes.data());
  return edit().nodes[index];
}

// --- one list

Topology::Lesson Topology::learn(const kafka::BrokerList& list, Origin& origin, const Teacher& teacher,
                                 Instant now) {
  if (repeats(list, origin, now)) {
    note_heard(now);
    return Lesson::learnt;
  }
  const CleanList named = clean_list(list, brokers_max_);
  const std::scoped_lock lock(merging_);
  const std::shared_ptr<const Snapshot> known = snapshot();
  Lecture lecture{.list = list, .named = named, .teacher = teacher, .now = now, .draft = {*known}};
  const Lesson lesson = merge(lecture, origin);
  quiet_ = !claimed_ && provisional_ == 0 && !other_;
  if (list.full && lesson != Lesson::other_cluster) note_heard(now);
  return lesson;
}

Topology::Lesson Topology::merge(Lecture& lecture, Origin& origin) {
  const kafka::BrokerList& list = lecture.list;
  const CleanList& named = lecture.named;
  if (!named.cluster_id.empty()) {
    if (!accept_cluster(lecture, origin)) return Lesson::other_cluster;
  } else if (origin.bootstrap && !origin.confirmed && !lecture.draft.known.cluster_id.empty()) {
    return Lesson::learnt;  // whose brokers these are is in doubt: translated, not learnt
  }
  lapse(lecture);
  tidy(lecture);
  if (named.too_long) report_too_many(lecture, "in one list");
  const std::size_t nodes = lecture.draft.view().nodes.size();
  lecture.first = list.full && provisional_ == nodes;
  std::size_t i = 0;
  const bool counts = list.full && !named.brokers.empty();
  for (const NamedBroker& broker : named.brokers) {
    for (; i < nodes && number(lecture.draft.view().nodes[i].id) < number(broker.id); ++i) {
      if (counts) hear_absence(lecture, i);
    }
    if (i < nodes && lecture.draft.view().nodes[i].id == broker.id) {
      hear(lecture, i++, broker);
    } else {
      lecture.unknown.push_back(&broker);
    }
  }
  for (; counts && i < nodes; ++i) hear_absence(lecture, i);
  apply_swaps(lecture);
  hear_replacements(lecture);
  introduce_unknown(lecture);
  report_other_claims(lecture);
  publish_if_changed(lecture.draft);
  if (!lecture.contested) return Lesson::learnt;
  if (lecture.teacher.discovery()) return Lesson::contested;
  if (lecture.now < may_contest_at_) return Lesson::learnt;
  may_contest_at_ = lecture.now + contest_interval;
  return Lesson::contested;
}

// True for a list that says what is known, as nearly every one does; it costs no allocation, and no lock for longer
// than a moment.
bool Topology::repeats(const kafka::BrokerList& list, Origin& origin, Instant now) {
  if (!list.full || !list.cluster_id || list.cluster_id->empty() || !quiet_) return false;
  std::shared_ptr<const Snapshot> known;
  {
    const std::scoped_lock lock(mutex_);
    if (now >= tidy_at_) return false;
    known = snapshot_;
  }
  if (*list.cluster_id != known->cluster_id) return false;
  const auto same = [](const Node& node, const kafka::BrokerEntry& broker) {
    return node.id == broker.id && node.address.port == broker.port && node.address.host == broker.host;
  };
  auto listed = known->nodes | std::views::filter(&Node::listed);
  if (list.brokers.empty() || !std::ranges::equal(listed, list.brokers, same)) return false;
  note_confirmed(origin, now);
  return true;
}

void Topology::report_too_many(const Lecture& lecture, std::string_view what) {
  if (within(too_long_reported_at_, BrokerRecord::report_interval, lecture.now)) return;
  too_long_reported_at_ = lecture.now;
  log_.write({Severity::warning, "broker_list_too_long", name_,
              lecture.teacher.text(lecture.list.source) + " lists " +
                  counted(lecture.list.brokers.size(), "broker") + " of cluster " + name_ +
                  ": kferry learns at most " + std::to_string(brokers_max_) + " " + std::string(what) +
                  "; raise brokers_per_cluster if it has so many"});
}

// Brokers that were not known, as many as there is room for.
void Topology::introduce_unknown(Lecture& lecture) {
  const bool believed = lecture.first || (lecture.list.full && lecture.teacher.discovery());
  std::size_t wanted = lecture.unknown.size();
  if (!believed) wanted = std::min(wanted, provisional_max - std::min(provisional_, provisional_max));
  if (wanted == 0) return;
  make_room(lecture, wanted);
  const std::size_t nodes = lecture.draft.view().nodes.size();
  const std::size_t max = brokers_max_;
  const std::size_t room = max - std::min(nodes, max);
  if (room < wanted) report_too_many(lecture, "of a cluster with more brokers in use");
  lecture.added.reserve(std::min(wanted, room));
  for (std::size_t i = 0; i < std::min(wanted, room); ++i) introduce(lecture, *lecture.unknown[i], believed);
  if (lecture.added.empty()) return;
  std::vector<Node>& all = lecture.draft.edit().nodes;
  std::vector<Node> merged;
  merged.reserve(all.size() + lecture.added.size());
  std::merge(std::make_move_iterator(all.begin()), std::make_move_iterator(all.end()),
             std::make_move_iterator(lecture.added.begin()), std::make_move_iterator(lecture.added.end()),
             std::back_inserter(merged), by_id);
  all = std::move(merged);
}

void Topology::introduce(Lecture& lecture, const NamedBroker& named, bool believed) {
  BrokerRecord& record = records_[named.id];
  record = {};
  record.taught_by = lecture.teacher.text(lecture.list.source);
  record.introduced_by = lecture.teacher.client();
  record.lapses_at = lecture.now + provisional_lifetime;
  lecture.added.push_back({named.id, named.address, std::nullopt, true, !believed});
  const auto former = std::ranges::lower_bound(lecture.former, number(named.id), {},
                                               [](const Node& node) { return number(node.id); });
  if (former != lecture.former.end() && former->id == named.id && former->address != named.address) {
    // Tried if the new address gives no Kafka response.
    Claim& claim = record.claims.emplace_back();
    claim.address = former->address;
    claim.by = "what was known before";
    claim.full = true;
    claim.named_at = lecture.now;
  }
  if (believed) return;
  ++provisional_;
  lecture.contested = true;
}

void Topology::hear(Lecture& lecture, std::size_t index, const NamedBroker& named) {
  const Node& node = lecture.draft.view().nodes[index];
  const bool same = node.address == named.address;
  if (same && node.listed && !node.provisional && !claimed_) return;
  BrokerRecord& record = records_[node.id];
  if (same) return hear_same_address(lecture, index, record);
  hear_claim(lecture, index, record, named);
}

void Topology::hear_same_address(Lecture& lecture, std::size_t index, BrokerRecord& record) {
  const Node& node = lecture.draft.view().nodes[index];
  const std::uint64_t client = lecture.teacher.client();
  if (lecture.list.full && !record.claims.empty()) record.contradict_claims();
  if (node.provisional) {
    const bool confirmed =
        lecture.list.full && (lecture.first || lecture.teacher.discovery() || client != record.introduced_by);
    if (confirmed) {
      Node& changed = lecture.draft.edit().nodes[index];
      changed.provisional = false;
      changed.returning = false;
      changed.listed = true;
      --provisional_;
    } else {
      record.lapses_at = lecture.now + provisional_lifetime;
    }
    return;
  }
  if (node.listed || !lecture.list.full) return;
  // Back again, which may cost another broker its port: one client's word is not enough for that.
  const bool believed = lecture.first || lecture.teacher.discovery() || provisional_ >= provisional_max;
  Node& changed = lecture.draft.edit().nodes[index];
  changed.listed = true;
  if (believed) return;
  changed.provisional = true;
  changed.returning = true;
  ++provisional_;
  lecture.contested = true;
  record.was_confirmed = true;
  record.introduced_by = client;
  record.lapses_at = lecture.now + provisional_lifetime;
}

// A full list without this broker.
void Topology::hear_absence(Lecture& lecture, std::size_t index) {
  const Node& node = lecture.draft.view().nodes[index];
  if (!node.listed || node.provisional) return;
  BrokerRecord& record = records_[node.id];
  if (!record.doubted && within(record.answered_at, answered_recently, lecture.now)) return;
  record.unlisted_at = lecture.now;
  lecture.draft.edit().nodes[index].listed = false;
}

// --- claims

std::string_view Topology::why_never(const HostPort& address) const {
  const auto literal = SocketAddress::parse(address.host, static_cast<std::uint16_t>(address.port));
  if (!literal) return {};
  const std::string_view why = why_no_broker(*literal);
  return why.empty() && guard_ ? guard_(*literal) : why;
}

void Topology::hear_claim(Lecture& lecture, std::size_t index, BrokerRecord& record,
                          const NamedBroker& named) {
  const Node node = lecture.draft.view().nodes[index];
  const Teacher& teacher = lecture.teacher;
  const Instant now = lecture.now;
  if (lecture.first) {  // what was known is provisional, and this is the first full list
    move(lecture.draft, node.id, named.address, teacher.text(lecture.list.source),
         "the first full list says so");
    return;
  }
  claimed_ = true;
  Claim& claim = record.claim(named.address, teacher, lecture.list.source, lecture.list.full, now);
  const std::string by = claim.by;
  if (const std::string_view why = why_never(named.address); !why.empty()) {
    claim.full = false;
    return report_claim(lecture, node, record, claim, why);
  }
  if (teacher.discovery() && teacher.seconded)
    return move(lecture.draft, node.id, named.address, by, "two servers say so");
  if (!lecture.list.full)
    return report_claim(lecture, node, record, claim, "only full lists can move a broker");
  if (node.provisional && !node.returning) {
    if (teacher.discovery() || claim.two_clients)
      return move(lecture.draft, node.id, named.address, by, "the broker is new, and two sources agree");
    lecture.contested = true;
    if (node.listed) lecture.draft.edit().nodes[index].listed = false;
    return report_claim(lecture, node, record, claim,
                        "the broker is new, and no other client has named this address");
  }
  const bool one_broker = lecture.draft.view().nodes.size() == 1;
  if (claim.two_clients && (claim.two_servers || one_broker) && now - *claim.since >= settled_after)
    return move(lecture.draft, node.id, named.address, by, "no full list has named the old address since");
  if (lecture.swaps.size() < swaps_max && swapped(lecture, node, record)) {
    lecture.swaps.push_back(named);
    return;
  }
  lecture.contested = true;
  if (record.doubted) choose_candidate(lecture.draft, node.id, record, now);
  report_claim(lecture, node, record, claim, "it is tried when the known address fails");
}

// Rule (c): the list gives the known address to another broker.
bool Topology::swapped(Lecture& lecture, const Node& node, const BrokerRecord& record) {
  if (!broke_for_others(lecture, record)) return false;
  if (lecture.places.empty()) {
    for (const NamedBroker& broker : lecture.named.brokers) lecture.places.emplace(broker.address, broker.id);
  }
  const auto there = lecture.places.find(node.address);
  return there != lecture.places.end() && there->second != node.id;
}

// Known addresses are exchanged where all of them are left. A new address is a candidate, as in (b), because no broker
// has answered there yet.
void Topology::apply_swaps(Lecture& lecture) {
  std::vector<NamedBroker>& swaps = lecture.swaps;
  if (swaps.empty()) return;
  std::map<HostPort, NodeId> known;
  for (const Node& node : lecture.draft.view().nodes) known.emplace(node.address, node.id);
  std::erase_if(swaps, [&](const NamedBroker& one) {
    if (known.contains(one.address)) return false;
    BrokerRecord& record = records_[one.id];
    record.doubted = true;
    choose_candidate(lecture.draft, one.id, record, lecture.now);
    lecture.contested = true;
    return true;
  });
  std::set<NodeId> leaving;
  for (const NamedBroker& one : swaps) leaving.insert(one.id);
  const auto blocked = [&](const NamedBroker& one) {
    return !leaving.contains(known.find(one.address)->second);
  };
  for (;;) {
    const auto place = std::ranges::find_if(swaps, blocked);
    if (place == swaps.end()) break;
    leaving.erase(place->id);
    swaps.erase(place);
    lecture.contested = true;
  }
  const std::string by = lecture.teacher.text(lecture.list.source);
  for (const NamedBroker& one : swaps)
    move(lecture.draft, one.id, one.address, by, "its old address belongs to another broker now");
}

void Topology::move(Draft& draft, NodeId id, const HostPort& to, const std::string& by,
                    std::string_view why) {
  Node& node = draft.edit(id);
  draft.moved[to] = id;
  log_.write({Severity::info, "broker_moved", name_ + "/" + std::to_string(number(id)),
              name_of(id) + " of cluster " + name_ + " moved from " + to_string(node.address) + " to " +
                  to_string(to) + ", according to " + by + ": " + std::string(why)});
  if (node.provisional) --provisional_;
  node = {id, to, std::nullopt, true, false};
  records_[id] = {};
  records_[id].taught_by = by;
  forget_reach(id);
}

// One list may name thousands of addresses.
void Topology::report_claim(Lecture& lecture, const Node& node, const BrokerRecord& record, Claim& claim,
                            std::string_view why) {
  if (!BrokerRecord::report_due(claim, claim.named_at)) return;
  if (++lecture.claims_reported > claim_lines_max) return;
  log_.write({Severity::warning, "broker_moved", name_ + "/" + std::to_string(number(node.id)),
              name_of(node.id) + " of cluster " + name_ + " stays at " + to_string(node.address) +
                  ", according to " + record.taught_by + "; " + to_string(claim.address) + ", according to " +
                  claim.by + ", is not followed: " + std::string(why)});
}

void Topology::report_other_claims(const Lecture& lecture) {
  if (lecture.claims_reported <= claim_lines_max) return;
  log_.write({Severity::warning, "broker_moved", name_,
              counted(lecture.claims_reported - claim_lines_max, "more broker") + " of cluster " + name_ +
                  " are at other addresses according to " + lecture.teacher.text(lecture.list.source) +
                  ": these are not followed now, for reasons as above"});
}

}  // namespace kferry::proxy
