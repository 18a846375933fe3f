#include "proxy/counters.h"

#include <algorithm>
#include <utility>

namespace kferry::proxy {
namespace {

template <class Owned>
std::vector<const Owned*> pointers(std::mutex& mutex, const std::vector<std::unique_ptr<Owned>>& owned) {
  const std::scoped_lock lock(mutex);
  std::vector<const Owned*> all;
  all.reserve(owned.size());
  for (const auto& one : owned) all.push_back(one.get());
  return all;
}

// Of the fixed nodes that come before the brokers.
constexpr std::size_t other_node = 3;
constexpr std::size_t other_dialled = 1;

}  // namespace

std::string_view counted_api_name(std::size_t index) {
  return index < kafka::api_names.size() ? kafka::api_names[index] : "other";
}

std::string_view timed_api_name(std::size_t index) {
  return index < timed_apis.size() ? counted_api_name(counted_api(timed_apis[index])) : "other";
}

// --- listeners

ListenerCounters::ListenerCounters(WorkerCounters& of, std::string cluster_name, std::string listener_name)
    : worker(of), cluster(std::move(cluster_name)), name(std::move(listener_name)) {
  for (const char* fixed : {no_node.data(), "bootstrap", "stand_in", "other"})
    nodes_.push_back(std::make_unique<NodeCounters>(*this, fixed));
}

ListenerCounters::~ListenerCounters() {
  for (std::atomic<Versions*>& versions : requests_) delete versions.load(std::memory_order_relaxed);
}

NodeCounters& ListenerCounters::node(NodeId id) {
  const auto known = by_id_.find(number(id));
  if (known != by_id_.end()) return *known->second;
  if (by_id_.size() == nodes_max) return *nodes_[other_node];
  auto made = std::make_unique<NodeCounters>(*this, std::to_string(number(id)));
  NodeCounters& node = *made;
  by_id_.emplace(number(id), &node);
  const std::scoped_lock lock(mutex_);
  nodes_.push_back(std::move(made));
  return node;
}

ListenerCounters::Versions* ListenerCounters::first_request(ApiKey key) {
  auto made = std::make_unique<Versions>();
  requests_[counted_api(key)].store(made.get(), std::memory_order_release);
  return made.release();
}

std::vector<const NodeCounters*> ListenerCounters::nodes() const {
  return pointers(mutex_, nodes_);
}

// --- clusters

ClusterCounters::ClusterCounters(std::string cluster_name) : name(std::move(cluster_name)) {
  for (const char* fixed : {"bootstrap", "other"}) nodes_.push_back(std::make_unique<Node>(fixed));
}

void ClusterCounters::count_dial(std::optional<NodeId> node, DialOutcome outcome) {
  Node* counted = nodes_.front().get();
  if (node) {
    const auto known = by_id_.find(number(*node));
    if (known != by_id_.end()) {
      counted = known->second;
    } else if (by_id_.size() == ListenerCounters::nodes_max) {
      counted = nodes_[other_dialled].get();
    } else {
      auto made = std::make_unique<Node>(std::to_string(number(*node)));
      counted = made.get();
      by_id_.emplace(number(*node), counted);
      const std::scoped_lock lock(mutex_);
      nodes_.push_back(std::move(made));
    }
  }
  counted->dials[static_cast<std::size_t>(outcome)].add();
}

std::vector<const ClusterCounters::Node*> ClusterCounters::nodes() const {
  return pointers(mutex_, nodes_);
}

// --- TLS

void HandshakeCounters::count_complete(Side side, const tls::Engine& engine) {
  const tls::Negotiated& negotiated = engine.negotiated();
  const Version version = negotiated.version == tls::Version::tls_1_3 ? tls_1_3 : tls_1_2;
  counts[side][version][complete][negotiated.resumed ? 1 : 0].add();
}

// --- the worker's

ListenerCounters& WorkerCounters::listener(std::string_view cluster, std::string_view name) {
  const std::scoped_lock lock(mutex_);
  const auto known = std::ranges::find_if(
      listeners_, [&](const auto& one) { return one->cluster == cluster && one->name == name; });
  if (known != listeners_.end()) return **known;
  return *listeners_.emplace_back(
      std::make_unique<ListenerCounters>(*this, std::string(cluster), std::string(name)));
}

ClusterCounters& WorkerCounters::cluster(std::string_view name) {
  const std::scoped_lock lock(mutex_);
  const auto known = std::ranges::find_if(clusters_, [&](const auto& one) { return one->name == name; });
  if (known != clusters_.end()) return **known;
  return *clusters_.emplace_back(std::make_unique<ClusterCounters>(std::string(name)));
}

std::vector<const ListenerCounters*> WorkerCounters::listeners() const {
  return pointers(mutex_, listeners_);
}

std::vector<const ClusterCounters*> WorkerCounters::clusters() const {
  return pointers(mutex_, clusters_);
}

}  // namespace kferry::proxy
