// Which cluster a topology is of, and when it follows another one. The rules are in proxy/topology.h.
#include <algorithm>
#include <utility>

#include "base/counted.h"
#include "proxy/topology.h"

namespace kferry::proxy {

bool Topology::accept_cluster(Lecture& lecture, Origin& origin) {
  const std::string id(lecture.named.cluster_id);
  const std::string& known = lecture.draft.view().cluster_id;
  if (known.empty() || known == id) {
    if (known.empty()) lecture.draft.edit().cluster_id = id;
    if (origin.bootstrap && other_) {
      log_.write({Severity::warning, "cluster_changed", name_,
                  "cluster " + name_ + " keeps its id " + id + ", according to " +
                      lecture.teacher.text(lecture.list.source) + "; id " + other_->id + ", according to " +
                      other_->by +
                      ", is not followed, and connections on which it answers end: keep the bootstrap "
                      "servers of one "
                      "cluster, and give the other a [cluster.NAME] of its own"});
    }
    confirm(origin, lecture.now);
    return true;
  }
  if (!may_follow(lecture, origin, id)) return false;
  follow(lecture, id);
  origin.confirmed = true;
  return true;
}

// The learnt cluster id was reported.
void Topology::confirm(Origin& origin, Instant now) {
  if (origin.bootstrap) other_.reset();
  note_confirmed(origin, now);
}

void Topology::note_confirmed(Origin& origin, Instant now) {
  origin.confirmed = true;
  if (!origin.bootstrap) return;
  const std::scoped_lock lock(mutex_);
  contradicted_at_.reset();
  moved_at_.reset();
  confirmed_at_ = now;
}

bool Topology::may_follow(Lecture& lecture, const Origin& origin, const std::string& id) {
  const Teacher& teacher = lecture.teacher;
  const Instant now = lecture.now;
  // Sends clients to the bootstrap servers for a while, which one lie must not do again and again.
  bool moved = false;  // a name that leads elsewhere is evidence from DNS, which no client can forge
  {
    const std::scoped_lock lock(mutex_);
    if (!confirmed_at_ || now - *confirmed_at_ >= doubt_interval) contradicted_at_ = now;
    moved = moved_at_ && now - *moved_at_ < other_cluster_lifetime;
  }
  if (!follows_) {
    if (!refusal_reported_at_ || now - *refusal_reported_at_ >= BrokerRecord::report_interval) {
      refusal_reported_at_ = now;
      log_.write(
          {Severity::error, "cluster_changed", name_,
           "cluster " + name_ + " has id " + lecture.draft.view().cluster_id + "; " +
               teacher.text(lecture.list.source) + " is of cluster id " + id +
               ": refused, as on_cluster_change = refuse demands; correct the bootstrap servers, or restart "
               "kferry to take the new cluster"});
    }
    return false;
  }
  if (!origin.bootstrap) return false;
  if (teacher.discovery()) return teacher.seconded;
  const auto is_doubted = [&](const Node& node) {
    const auto record = records_.find(node.id);
    return !node.listed || (record != records_.end() && record->second.doubted);
  };
  if (std::ranges::all_of(lecture.draft.view().nodes, is_doubted)) return true;
  const bool heard = other_ && other_->id == id && now - other_->at < other_cluster_lifetime;
  if (heard && (moved || other_->client != teacher.client())) return true;
  if (!heard) other_ = OtherCluster{id, teacher.client(), now, teacher.text(lecture.list.source)};
  return false;
}

void Topology::follow(Lecture& lecture, const std::string& id) {
  Snapshot& next = lecture.draft.edit();
  lecture.former = next.nodes;
  log_.write({Severity::warning, "cluster_changed", name_,
              "cluster " + name_ + " has id " + id + " now instead of " + next.cluster_id +
                  ", according to " + lecture.teacher.text(lecture.list.source) +
                  (other_ && other_->id == id ? " and " + other_->by : std::string()) + ": " +
                  counted(next.nodes.size(), "broker") +
                  " of the old cluster forgotten; open connections stay"});
  next.cluster_id = id;
  next.nodes.clear();
  records_.clear();
  provisional_ = 0;
  other_.reset();
  const std::scoped_lock lock(mutex_);
  reach_.clear();
  contradicted_at_.reset();
  moved_at_.reset();
}

}  // namespace kferry::proxy
