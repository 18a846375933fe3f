// The simulated world: sockets, time and chance. Its operations are in simulation_operations.cc.
#include "ring/simulation.h"

#include <algorithm>
#include <cerrno>

#include "base/assert.h"
#include "ring/simulated_ring.h"

namespace kferry::ring {

Simulation::Simulation(SimulationOptions options) : options_(std::move(options)), random_(options_.seed) {}

void Simulation::after(Duration delay, std::function<void()> what) {
  agenda_.emplace(std::pair{now_ + delay, events_++}, std::move(what));
}

bool Simulation::step(Instant until) {
  if (agenda_.empty() || agenda_.begin()->first.first > until) {
    now_ = std::max(now_, until);
    return false;
  }
  return step();
}

bool Simulation::step() {
  if (agenda_.empty()) return false;
  auto next = agenda_.extract(agenda_.begin());
  now_ = std::max(now_, next.key().first);
  next.mapped()();
  return true;
}

Simulation::End& Simulation::end(int id) {
  const auto found = ends_.find(id);
  KFERRY_ASSERT(found != ends_.end());  // used after close
  return found->second;
}

Simulation::End* Simulation::find(int id) {
  const auto found = ends_.find(id);
  return found == ends_.end() ? nullptr : &found->second;
}

int Simulation::make_end(SimulatedRing* owner) {
  const int id = next_end_++;
  End& made = ends_[id];
  made.owner = owner;
  made.inbox_max =
      options_.socket_buffer_min + random(options_.socket_buffer_max - options_.socket_buffer_min + 1);
  return id;
}

int Simulation::listener_at(const SocketAddress& address) {
  for (const auto& [id, candidate] : ends_)
    if (candidate.listening && candidate.local.port() == address.port() &&
        (candidate.local == address ||
         (candidate.local.is_wildcard() && candidate.local.family() == address.family())))
      return id;
  return -1;
}

int Simulation::open_listener(SimulatedRing* owner, const SocketAddress& address, int& error) {
  SocketAddress local = address;
  if (address.port() == 0) local = *SocketAddress::parse(address.host_text(), next_port_++);
  if (listener_at(local) >= 0) {
    error = EADDRINUSE;
    return -1;
  }
  const int id = make_end(owner);
  ends_[id].listening = true;
  ends_[id].local = local;
  return id;
}

void Simulation::join(int client, int listener) {
  const int server = make_end(end(listener).owner);
  End& near = end(client);
  End& far = end(server);
  if (near.local.empty())
    near.local = *SocketAddress::parse(near.remote.family() == AF_INET6 ? "::1" : "127.0.0.1", next_port_++);
  far.local = near.remote;
  far.remote = near.local;
  near.other = server;
  far.other = client;
  near.connected = far.connected = true;
  end(listener).backlog.push_back(server);
  touch(listener);
}

void Simulation::close_end(int id, bool reset) {
  End closing = std::move(end(id));
  ends_.erase(id);
  trace("close " + std::to_string(id) + (reset ? " by reset" : ""));
  if (closing.listening) {
    for (const int waiting : closing.backlog) close_end(waiting, true);
    return;
  }
  if (find(closing.other) == nullptr || closing.deaf_since || end(closing.other).deaf_since) return;
  if (reset || !closing.inbox.empty()) {  // TCP also resets if bytes were left unread
    break_end(closing.other);
  } else {
    end(closing.other).fin_received = true;
    touch(closing.other);
  }
}

void Simulation::shut_end(int id) {
  End& shut = end(id);
  if (shut.fin_sent || shut.broken) return;
  shut.fin_sent = true;
  if (shut.deaf_since) {
    shut.unheard = true;
    return;
  }
  if (End* other = find(shut.other)) {
    other->fin_received = true;
    touch(shut.other);
  }
}

void Simulation::break_end(int id) {
  End& broken = end(id);
  trace("reset " + std::to_string(id));
  broken.broken = true;
  broken.inbox.clear();
  touch(id);
}

void Simulation::vanish_end(int id) {
  trace("vanish " + std::to_string(id));
  end(id).deaf_since = now_;
  if (End* other = find(end(id).other)) other->deaf_since = now_;
}

std::size_t Simulation::room(const End& from) {
  const End* other = find(from.other);
  if (from.deaf_since) return from.inbox_max - std::min(from.inbox_max, from.unsent);
  if (other == nullptr) return SIZE_MAX;  // answered by RST
  return other->inbox_max - std::min(other->inbox_max, other->inbox.size());
}

std::size_t Simulation::put(int from, std::string_view bytes) {
  End& sender = end(from);
  const std::size_t size = std::min(bytes.size(), room(sender));
  if (sender.deaf_since) {
    sender.unheard = true;
    sender.unsent += size;
    return size;
  }
  if (End* other = find(sender.other)) {
    other->inbox.append(bytes.substr(0, size));
    other->received += size;
    sender.sent += size;
    touch(sender.other);
  } else if (size > 0) {
    break_end(from);  // the other side is gone: the bytes are lost and RST comes back
  }
  return size;
}

std::string Simulation::take(int id, std::size_t size) {
  End& from = end(id);
  std::string bytes = from.inbox.substr(0, size);
  from.inbox.erase(0, bytes.size());
  touch(from.other);
  return bytes;
}

Simulation::Leaks Simulation::leaks() const {
  Leaks leaks;
  for (const auto& [id, candidate] : ends_) leaks.sockets += candidate.owner != nullptr;
  leaks.operations = ops_.size();
  for (const SimulatedRing* ring : rings_) leaks.buffers += ring->buffer_count() - ring->buffers_free();
  return leaks;
}

void Simulation::set_dial_fault(const SocketAddress& address, DialFault fault) {
  faults_[address.text()] = fault;
}

std::optional<SimSocket> Simulation::connect_from_outside(const SocketAddress& address,
                                                          const std::optional<SocketAddress>& from) {
  const int listener = listener_at(address);
  if (listener < 0) return {};
  const int id = make_end(nullptr);
  end(id).remote = address;
  if (from) end(id).local = *from;
  join(id, listener);
  return SimSocket(*this, id);
}

std::optional<SimListener> Simulation::listen_outside(const SocketAddress& address) {
  int error = 0;
  const int id = open_listener(nullptr, address, error);
  if (id < 0) return {};
  return SimListener(*this, id);
}

std::optional<SimSocket> SimListener::accept() {
  auto& backlog = world_->end(id_).backlog;
  if (backlog.empty()) return {};
  const int id = backlog.front();
  backlog.pop_front();
  return SimSocket(*world_, id);
}

SocketAddress SimListener::address() const {
  return world_->end(id_).local;
}
void SimListener::close() {
  world_->close_end(id_, false);
}

std::size_t SimSocket::write(std::string_view bytes) {
  const auto& self = world_->end(id_);
  return self.broken || self.fin_sent ? 0 : world_->put(id_, bytes);
}

std::string SimSocket::read(std::size_t size_max) {
  return world_->take(id_, size_max);
}
std::size_t SimSocket::readable() const {
  return world_->end(id_).inbox.size();
}

bool SimSocket::ended() const {
  const auto& self = world_->end(id_);
  return self.fin_received && self.inbox.empty() && !self.broken;
}

bool SimSocket::was_reset() const {
  return open() && world_->end(id_).broken;
}
bool SimSocket::open() const {
  return world_->find(id_) != nullptr;
}
bool SimSocket::closed() const {
  return !open() || ended() || was_reset();
}
void SimSocket::shutdown() {
  world_->shut_end(id_);
}

void SimSocket::close() {
  if (open()) world_->close_end(id_, false);
}

void SimSocket::reset() {
  if (open()) world_->close_end(id_, true);
}

void SimSocket::vanish() {
  if (open()) world_->vanish_end(id_);
}

SocketAddress SimSocket::local_address() const {
  return world_->end(id_).local;
}
SocketAddress SimSocket::remote_address() const {
  return world_->end(id_).remote;
}

}  // namespace kferry::ring
