// Who may connect: the limits of [limits] and of a listener, and its lists of addresses and endpoints, for all workers.
//
//   accepted ─enter()▶ [PROXY header] ─▶ [server name] ─admit()▶ admitted, until its ticket is gone
//   with neither header nor name in front, admit() follows at once, before a byte is read
//
// Connections that were admitted are never touched again. A connection costs two locks while it begins and one when it
// ends; nothing here is called for a frame.
//
// Thread safety: enter() is the first worker's, which accepts for all; the rest may be called from any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/clock.h"
#include "base/failure.h"
#include "base/socket_address.h"
#include "config/config.h"
#include "net/proxy_header.h"

namespace kferry::proxy {

// A client before it is admitted. Refers to what its connection owns.
struct Applicant {
  const SocketAddress& address;              // by its header, or else of its socket
  const net::ProxyHeader* header = nullptr;  // null: it sent no header
};

class Admission {
  using Addresses = std::unordered_map<std::string, std::uint32_t>;  // connections by address
  struct Load {
    std::atomic<std::uint32_t> connections = 0;
    std::mutex mutex;
    Addresses addresses;  // only while max_connections_per_address is set
  };

 public:
  // So much of what was measured last counts as now.
  static constexpr Duration memory_interval = std::chrono::milliseconds(100);

  // A connection that counts for a listener and for its client's address. Outlived by the admission.
  class Ticket {
   public:
    Ticket() = default;
    Ticket(Ticket&& other) noexcept
        : load_(std::exchange(other.load_, nullptr)), address_(std::exchange(other.address_, nullptr)) {}
    Ticket& operator=(Ticket&& other) noexcept {
      std::swap(load_, other.load_);
      std::swap(address_, other.address_);
      return *this;
    }
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    ~Ticket();

    explicit operator bool() const { return load_ != nullptr; }

   private:
    friend class Admission;
    Load* load_ = nullptr;
    Addresses::value_type* address_ = nullptr;  // null: not counted by its address
  };

  // The process's resident memory in bytes, the same number as /metrics has (process_resident_memory_bytes).
  using Measure = std::function<std::uint64_t()>;
  explicit Admission(Measure memory = resident_memory) : memory_(std::move(memory)) {}
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  // Whether [limits] lets one more connection in beside `connections` others. nullopt: it does.
  std::optional<Failure> enter(const config::Limits& limits, std::size_t connections, Instant now);
  // Whether the listener of the cluster lets the client in; then `ticket` counts it. nullopt: it does.
  std::optional<Failure> admit(const std::string& cluster, const config::Listener& listener,
                               const Applicant& client, Ticket& ticket);
  // Whether its lists alone let the client in. Counts nothing.
  static std::optional<Failure> judge(const config::Listener& listener, const Applicant& client);

  static std::uint64_t resident_memory();

 private:
  Load& load_of(const std::string& cluster, const std::string& listener);
  bool within_rate(std::uint32_t per_second, Instant now);
  std::uint64_t memory_at(Instant now);

  const Measure memory_;
  std::mutex mutex_;
  // By cluster and listener. Never shrinks: bounded by the names that configurations have had.
  std::map<std::pair<std::string, std::string>, std::unique_ptr<Load>> loads_;
  // Of enter():
  double tokens_ = 0;
  Instant filled_at_{};
  std::uint32_t rate_ = 0;  // that tokens_ is for
  std::uint64_t measured_ = 0;
  std::optional<Instant> measured_at_;
};

}  // namespace kferry::proxy
