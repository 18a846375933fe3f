// What is known of one upstream cluster at run time, whatever plans name it. Shared by all workers; locks itself.
#pragma once

#include <atomic>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "base/host_port.h"
#include "base/ids.h"
#include "base/log_sink.h"
#include "base/socket_address.h"
#include "kafka/cluster_view.h"
#include "proxy/failed_places.h"
#include "proxy/outages.h"
#include "proxy/topology.h"

namespace kferry::proxy {

struct ClusterState {
  // `log` outlives it.
  ClusterState(std::string cluster_name, LogSink& log);

  const std::string name;
  Topology topology;
  FailedPlaces failed_places;
  Outages outages;
  // Learnt addresses on loopback or link-local are dialled only where a bootstrap server resolved into the
  // class.
  std::atomic<bool> bootstrap_on_loopback = false;
  std::atomic<bool> bootstrap_on_link_local = false;
  // Raised when a client is dialled for. Cleared by the watch over bootstrap names.
  std::atomic<bool> dialled = false;
  // Raised by a failed dial: discovery runs soon. Cleared by discovery.
  std::atomic<bool> discovery_wanted = false;
  // A bootstrap server has answered kferry's ApiVersions, once. Raised by the prober (proxy/prober.h), as is
  // upstream_lost while it finds no bootstrap server that answers.
  std::atomic<bool> upstream_answered = false;
  std::atomic<bool> upstream_lost = false;
  // Raised by a failed dial: the prober asks again. Cleared by the prober.
  std::atomic<bool> upstream_doubted = false;
  // A session is asking for the brokers on its client's connection; one at a time.
  std::atomic<bool> asking_for_map = false;

  // A bootstrap server's name has led to these.
  void note_bootstrap_addresses(std::span<const SocketAddress> addresses);
  // True the first time this key is noted as hidden from clients, or this broker as left out.
  bool note_hidden(ApiKey key);
  bool note_left_out(NodeId id);
  // True the first time this place of kferry's own is claimed for a broker.
  bool note_own_place(const HostPort& place);
  // True the first time a server deviates so.
  bool note_deviation(ApiKey key, kafka::Deviation how);

 private:
  std::mutex noted_mutex_;
  std::set<ApiKey> hidden_noted_;
  std::set<NodeId> left_out_noted_;
  std::set<HostPort> own_places_noted_;
  std::set<std::pair<ApiKey, kafka::Deviation>> deviations_noted_;
};

}  // namespace kferry::proxy
