// What can be observed of a running proxy, for health and metrics: read from what its threads share, without asking
// any of them. Plain data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "certificates/tls_contexts.h"

namespace kferry::proxy {

struct Runtime;

struct WorkerStatus {
  std::uint64_t turns = 0;     // so far
  std::uint32_t sessions = 0;  // now, those on their way to the worker included
};

struct ClusterStatus {
  std::string name;
  std::size_t listeners = 0;
  std::size_t listed = 0;                         // brokers that the last full list names
  std::size_t unlisted = 0;                       // known brokers that it does not name
  std::size_t provisional = 0;                    // brokers that one client's answer alone has named
  std::vector<std::string> clashing_listeners{};  // that have no port for some live broker
  bool upstream_answered = false;                 // a bootstrap server has answered kferry, once
  bool upstream_lost = false;                     // no bootstrap server answers at the moment
};

struct DrainStatus {
  bool ports_closed = false;    // no port accepts
  std::uint32_t left = 0;       // connections
  std::uint32_t lingering = 0;  // that have ended, and whose client is waited for
  std::uint64_t ended = 0;      // in order, so far
  std::uint64_t cut = 0;        // that were reset with the deadline

  bool done() const { return ports_closed && left + lingering == 0; }
};

struct ServerStatus {
  bool listening = false;  // every listener accepts
  DrainStatus drain{};     // valid once the drain has begun
  std::vector<WorkerStatus> workers{};
  std::vector<ClusterStatus> clusters{};
  std::shared_ptr<const certificates::TlsContexts> tls{};  // of the plan in force; may be null
};

// Of a runtime whose workers turn. Any thread.
ServerStatus status_of(const Runtime& runtime);

}  // namespace kferry::proxy
