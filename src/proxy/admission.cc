#include "proxy/admission.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "base/counted.h"
#include "base/limits.h"

namespace kferry::proxy {
namespace {

// What identifies a client's address: its bytes.
std::string key_of(const SocketAddress& address) {
  const auto bytes = address.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The load balancer's own connection, from an address that the listener believes.
bool is_local(const Applicant& client) {
  return client.header != nullptr && client.header->command == net::ProxyHeader::Command::local;
}

std::string mib(std::uint64_t bytes) {
  return std::to_string(bytes / MiB) + " MiB";
}

}  // namespace

Admission::Ticket::~Ticket() {
  if (load_ == nullptr) return;
  if (address_ != nullptr) {
    const std::scoped_lock lock(load_->mutex);
    if (--address_->second == 0) load_->addresses.erase(std::string(address_->first));
  }
  load_->connections.fetch_sub(1, std::memory_order_relaxed);
}

// --- [limits]

std::optional<Failure> Admission::enter(const config::Limits& limits, std::size_t connections, Instant now) {
  if (limits.connections > 0 && connections >= limits.connections) {
    return Failure{"connections_limited",
                   "kferry has " + counted(connections, "connection") +
                       ": raise connections in [limits], or see who holds them in kferry_connections_active"};
  }
  if (limits.memory_bytes > 0) {
    if (const std::uint64_t memory = memory_at(now); memory > limits.memory_bytes) {
      return Failure{"memory_limited",
                     "kferry has " + mib(memory) + " of memory, and memory_bytes in [limits] is " +
                         mib(limits.memory_bytes) + ": raise it, or spread the clients over more instances"};
    }
  }
  if (limits.accepts_per_second > 0 && !within_rate(limits.accepts_per_second, now)) {
    return Failure{"accepts_limited", "more than " + counted(limits.accepts_per_second, "connection") +
                                          " in a second: raise accepts_per_second in [limits], or see why "
                                          "clients reconnect"};
  }
  return std::nullopt;
}

// A bucket that holds the connections of one second.
bool Admission::within_rate(std::uint32_t per_second, Instant now) {
  if (rate_ != per_second) tokens_ = per_second;
  rate_ = per_second;
  const std::chrono::duration<double> passed = now - std::exchange(filled_at_, now);
  tokens_ = std::min<double>(per_second, tokens_ + passed.count() * per_second);
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

std::uint64_t Admission::memory_at(Instant now) {
  if (!measured_at_ || now - *measured_at_ >= memory_interval) {
    measured_at_ = now;
    measured_ = memory_();
  }
  return measured_;
}

std::uint64_t Admission::resident_memory() {
  const int fd = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  std::array<char, 128> text{};
  const ssize_t size = ::read(fd, text.data(), text.size());
  ::close(fd);
  if (size <= 0) return 0;
  const char* const end = text.data() + size;
  const char* const second = std::find<const char*>(text.data(), end, ' ');  // size, then resident, in pages
  std::uint64_t pages = 0;
  if (second != end) std::from_chars(second + 1, end, pages);
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

// --- a listener

Admission::Load& Admission::load_of(const std::string& cluster, const std::string& listener) {
  const std::scoped_lock lock(mutex_);
  std::unique_ptr<Load>& load = loads_[{cluster, listener}];
  if (load == nullptr) load = std::make_unique<Load>();
  return *load;
}

std::optional<Failure> Admission::judge(const config::Listener& listener, const Applicant& client) {
  if (is_local(client)) return std::nullopt;
  if (any_contains(listener.deny_from, client.address))
    return Failure{"client_denied", "the client's address is in deny_from"};
  if (!listener.allow_from.empty() && !any_contains(listener.allow_from, client.address))
    return Failure{"client_not_allowed", "the client's address is not in allow_from"};
  if (listener.allow_endpoints.empty()) return std::nullopt;
  const auto* header = client.header;
  if (header == nullptr || !header->endpoint)
    return Failure{"endpoint_not_allowed",
                   "the connection has come through no cloud endpoint, and allow_endpoints is set"};
  const std::string endpoint = header->endpoint->text();
  if (std::ranges::find(listener.allow_endpoints, endpoint) != listener.allow_endpoints.end())
    return std::nullopt;
  return Failure{"endpoint_not_allowed", "the cloud endpoint " + endpoint + " is not in allow_endpoints"};
}

std::optional<Failure> Admission::admit(const std::string& cluster, const config::Listener& listener,
                                        const Applicant& client, Ticket& ticket) {
  if (std::optional<Failure> refusal = judge(listener, client)) return refusal;
  Load& load = load_of(cluster, listener.name);
  // Counted first, so that two workers cannot both take the last place.
  const std::uint32_t others = load.connections.fetch_add(1, std::memory_order_relaxed);
  Ticket taken;
  taken.load_ = &load;
  if (is_local(client)) {
    ticket = std::move(taken);
    return std::nullopt;
  }
  if (listener.max_connections > 0 && others >= listener.max_connections) {
    return Failure{"listener_limited", "the listener has " + counted(others, "connection") +
                                           ": raise max_connections, or see who holds them in "
                                           "kferry_connections_active of the metrics"};
  }
  if (listener.max_connections_per_address > 0 && !client.address.empty()) {
    const std::scoped_lock lock(load.mutex);
    Addresses::value_type& count = *load.addresses.try_emplace(key_of(client.address), 0).first;
    if (count.second >= listener.max_connections_per_address) {
      return Failure{"address_limited", "the client has " + counted(count.second, "connection") +
                                            " to the listener: raise max_connections_per_address, or let the "
                                            "client close what it does not use"};
    }
    ++count.second;
    taken.address_ = &count;
  }
  ticket = std::move(taken);
  return std::nullopt;
}

}  // namespace kferry::proxy
