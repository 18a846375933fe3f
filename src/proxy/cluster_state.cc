#include "proxy/cluster_state.h"

#include <utility>

namespace kferry::proxy {
namespace {

// Brokers choose the keys and the ids. Beyond these, no further one is noted: lines alone are lost.
constexpr std::size_t hidden_noted_max = 256;
constexpr std::size_t left_out_noted_max = 4096;

}  // namespace

ClusterState::ClusterState(std::string cluster_name, LogSink& log)
    : name(std::move(cluster_name)), topology(name, log) {}

void ClusterState::note_bootstrap_addresses(std::span<const SocketAddress> addresses) {
  for (const SocketAddress& address : addresses) {
    if (address.is_loopback()) bootstrap_on_loopback = true;
    if (address.is_link_local()) bootstrap_on_link_local = true;
  }
}

bool ClusterState::note_hidden(ApiKey key) {
  const std::scoped_lock lock(noted_mutex_);
  return hidden_noted_.size() < hidden_noted_max && hidden_noted_.insert(key).second;
}

bool ClusterState::note_left_out(NodeId id) {
  const std::scoped_lock lock(noted_mutex_);
  return left_out_noted_.size() < left_out_noted_max && left_out_noted_.insert(id).second;
}

bool ClusterState::note_own_place(const HostPort& place) {
  const std::scoped_lock lock(noted_mutex_);
  return own_places_noted_.size() < left_out_noted_max && own_places_noted_.insert(place).second;
}

bool ClusterState::note_deviation(ApiKey key, kafka::Deviation how) {
  const std::scoped_lock lock(noted_mutex_);
  return deviations_noted_.emplace(key, how).second;
}

}  // namespace kferry::proxy
