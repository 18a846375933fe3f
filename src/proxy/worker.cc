#include "proxy/worker.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "base/assert.h"
#include "kafka/api_keys.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A send that has stood this long while others find no buffer gives its buffers back.
constexpr Duration stalled_after = milliseconds(5);
// Accepting goes on after this when descriptors ran out.
constexpr Duration accept_again_after = milliseconds(100);
constexpr int backlog = 1024;
// The kernel takes down a killed process's ring, and with it the listeners it accepts on, only after the process is
// gone: whoever restarts it at once meets them still.
constexpr milliseconds predecessor_patience(3'000);
constexpr milliseconds predecessor_look(20);
// Marks a resolver request as discovery's.
constexpr std::uint64_t for_discovery = std::uint64_t{1} << 63U;

}  // namespace

std::string_view remedy_for_lack(int error) {
  switch (error) {
    case EMFILE:
      return "raise the limit of open files (LimitNOFILE= in the unit, or ulimit -n)";
    case ENFILE:
      return "raise this host's limit of open files (sysctl fs.file-max)";
    case ENOBUFS:
    case ENOMEM:
      return "this host or container is out of memory for sockets: give it more";
    default:
      return {};
  }
}

Worker::Worker(Engine& engine, std::size_t index, ring::Ring& ring, net::Resolver& resolver,
               std::uint64_t seed)
    : engine_(engine),
      index_(index),
      ring_(ring),
      pool_(ring),
      resolver_(resolver),
      answers_(std::make_shared<net::AnswerQueue>([&ring] { ring.wake(); })),
      random_(seed),
      legs_{ring, pool_, engine.config.engine.receive_size_bytes, engine.config.engine.standing_receive_bytes,
            engine.config.engine.splice_threshold_bytes == 0 ? UINT64_MAX
                                                             : engine.config.engine.splice_threshold_bytes},
      kernel_tls_{engine.config.tls.kernel_send, engine.config.tls.kernel_receive} {
  for (const auto& cluster : engine_.clusters) {
    View view;
    view.snapshot = cluster->topology.snapshot();
    views_.push_back(std::move(view));
    for (const config::Listener& listener : cluster->config.listeners) routes_.emplace_back(listener);
    discoveries_.push_back(nullptr);
  }
}

Worker::~Worker() {
  answers_->close();
}

std::int64_t Worker::random(std::int64_t below) {
  return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(below));
}

void Worker::set_options(ring::Socket socket) {
  ring_.set_options(socket, seconds(limits().keepalive_idle_s), seconds(limits().keepalive_interval_s),
                    static_cast<int>(limits().keepalive_probes));
}

// --- start and end

std::optional<std::string> Worker::listen() {
  milliseconds patience = predecessor_patience;
  for (const PortEntry& port : engine_.ports) {
    auto opened = ring_.listen(port.address, backlog);
    for (; opened.error == EADDRINUSE && patience.count() > 0; patience -= predecessor_look) {
      std::this_thread::sleep_for(predecessor_look);
      opened = ring_.listen(port.address, backlog);
    }
    if (opened.error != 0) {
      std::string remedy;
      if (opened.error == EADDRINUSE) remedy = ": another process listens there (ss -ltnp shows which)";
      if (opened.error == EADDRNOTAVAIL) remedy = ": no interface of this host has this address";
      if (opened.error == EMFILE)
        remedy = ": raise the limit of open files (LimitNOFILE in the service) or list fewer ports";
      if (opened.error == EACCES) remedy = ": ports below 1024 need CAP_NET_BIND_SERVICE";
      for (const ring::Socket socket : listening_) ring_.close(socket, false);
      listening_.clear();
      return "cannot listen on " + port.address.text() + ": " + std::strerror(opened.error) + remedy;
    }
    set_options(opened.socket);  // and of what it accepts, which inherits them
    listening_.push_back(opened.socket);
  }
  for (std::uint32_t port = 0; port < listening_.size(); ++port) {
    ++accepts_;
    ring_.accept({port, 0, static_cast<std::uint16_t>(Operation::accept)}, listening_[port]);
  }
  return std::nullopt;
}

void Worker::discover() {
  for (std::uint32_t c = 0; c < engine_.clusters.size(); ++c) {
    if (!Discovery::possible(engine_.clusters[c]->config.upstream)) continue;
    discoveries_[c] = std::make_unique<Discovery>(*this, c, static_cast<std::uint16_t>(Operation::discovery));
    discoveries_[c]->start();
  }
}

void Worker::stop() {
  ring::Ring& ring = ring_;  // it outlives the worker, which may be gone once the flag is seen
  stop_asked_.store(true, std::memory_order_release);
  ring.wake();
}

void Worker::begin_to_stop() {
  stopping_ = true;
  for (std::uint32_t port = 0; port < listening_.size(); ++port) {
    ring_.cancel({port, 0, static_cast<std::uint16_t>(Operation::accept)});
    ring_.cancel({port, 0, static_cast<std::uint16_t>(Operation::accept_again)});
  }
  ring_.cancel({0, 0, static_cast<std::uint16_t>(Operation::pressure)});
  for (const auto& discovery : discoveries_) {
    if (discovery) discovery->stop();
  }
  for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) {
    if (!slots_[slot].session) continue;
    slots_[slot].session->abort();
    free_if_finished(slot);
  }
}

bool Worker::stopped() const {
  if (!stopping_ || session_count_ > 0 || accepts_ > 0 || pressure_armed_) return false;
  if (hand_overs_.size() != free_hand_overs_.size()) return false;
  return std::all_of(discoveries_.begin(), discoveries_.end(),
                     [](const auto& discovery) { return !discovery || discovery->stopped(); });
}

// --- the turn

void Worker::turn() {
  const std::span<const ring::Completion> completions = ring_.wait();
  refresh();
  answer_resolved();
  for (const ring::Completion& completion : completions) dispatch(completion);
  if (!stopping_ && stop_asked_.load(std::memory_order_acquire)) begin_to_stop();
  feed_starved();
  refresh();
  reconsider();
  if (stopping_ && accepts_ == 0) {
    for (const ring::Socket socket : listening_) ring_.close(socket, false);
    listening_.clear();
  }
}

void Worker::dispatch(const ring::Completion& completion) {
  const ring::Token token = completion.token;
  if (token.kind < Session::kinds) {
    Session* session = find(token.slot, token.generation);
    KFERRY_ASSERT(session != nullptr);  // a session outlives its operations
    session->on_completion(token.kind, completion);
    free_if_finished(token.slot);
    return;
  }
  if (token.kind >= static_cast<std::uint16_t>(Operation::discovery)) {
    discoveries_.at(token.slot)
        ->on_completion(
            static_cast<std::uint16_t>(token.kind - static_cast<std::uint16_t>(Operation::discovery)),
            completion);
    return;
  }
  switch (static_cast<Operation>(token.kind)) {
    case Operation::accept:
      on_accepted(token.slot, completion);
      return;
    case Operation::accept_again:
      if (stopping_) {
        --accepts_;
      } else {
        ring_.accept({token.slot, 0, static_cast<std::uint16_t>(Operation::accept)}, listening_[token.slot]);
      }
      return;
    case Operation::handed_over:
      serve(token.slot, ring::Socket{completion.result});
      return;
    case Operation::receipt:
      on_receipt(token.slot, completion.result);
      return;
    case Operation::pressure:
      pressure_armed_ = false;
      if (!stopping_) on_pressure();
      return;
    case Operation::discovery:
      break;
  }
  KFERRY_ASSERT(false);
}

// --- accepting

void Worker::on_accepted(std::uint32_t port, const ring::Completion& completion) {
  if (completion.result >= 0) {
    const ring::Socket client{completion.result};
    std::size_t to = index_;
    for (std::size_t w = 0; w < engine_.workers.size(); ++w) {
      if (engine_.workers[w]->sessions.load(std::memory_order_relaxed) <
          engine_.workers[to]->sessions.load(std::memory_order_relaxed)) {
        to = w;
      }
    }
    engine_.workers[to]->sessions.fetch_add(1, std::memory_order_relaxed);
    if (to == index_) {
      serve(port, client);
    } else {
      std::uint32_t place = 0;
      if (free_hand_overs_.empty()) {
        place = static_cast<std::uint32_t>(hand_overs_.size());
        hand_overs_.emplace_back();
      } else {
        place = free_hand_overs_.back();
        free_hand_overs_.pop_back();
      }
      hand_overs_[place] = HandOver{client, port, to};
      ring_.message({place, 0, static_cast<std::uint16_t>(Operation::receipt)}, *engine_.workers[to]->mailbox,
                    {port, 0, static_cast<std::uint16_t>(Operation::handed_over)}, completion.result);
    }
  }
  if (completion.more) return;
  if (stopping_) {
    --accepts_;
    return;
  }
  if (completion.result < 0 && completion.result != -ECONNABORTED && completion.result != -EINTR) {
    const std::string_view remedy = remedy_for_lack(-completion.result);
    engine_.log.write({Severity::error, "accept_failed", "",
                       std::string("cannot accept a connection: ") + std::strerror(-completion.result) +
                           (remedy.empty() ? "" : ": ") + std::string(remedy)});
    ring_.timer({port, 0, static_cast<std::uint16_t>(Operation::accept_again)}, now() + accept_again_after);
    return;
  }
  ring_.accept({port, 0, static_cast<std::uint16_t>(Operation::accept)}, listening_[port]);
}

void Worker::on_receipt(std::uint32_t hand_over, int result) {
  const HandOver record = std::exchange(hand_overs_[hand_over], HandOver{});
  free_hand_overs_.push_back(hand_over);
  if (result >= 0) return;
  // It did not arrive: it is still ours, and we serve it.
  engine_.workers[record.to]->sessions.fetch_sub(1, std::memory_order_relaxed);
  engine_.workers[index_]->sessions.fetch_add(1, std::memory_order_relaxed);
  serve(record.port, record.socket);
}

void Worker::serve(std::uint32_t port, ring::Socket client) {
  if (stopping_) {
    ring_.close(client, true);
    engine_.workers[index_]->sessions.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  std::uint32_t slot = 0;
  if (free_slots_.empty()) {
    slot = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  slots_[slot].session = std::make_unique<Session>(*this, slot, slots_[slot].generation, engine_.ports[port],
                                                   client, ring_.remote_address(client));
  ++session_count_;
  slots_[slot].session->start();
}

Session* Worker::find(std::uint32_t slot, std::uint16_t generation) {
  if (slot >= slots_.size() || slots_[slot].generation != generation) return nullptr;
  return slots_[slot].session.get();
}

void Worker::free_if_finished(std::uint32_t slot) {
  if (!slots_[slot].session || !slots_[slot].session->finished()) return;
  slots_[slot].session.reset();
  ++slots_[slot].generation;
  free_slots_.push_back(slot);
  --session_count_;
  engine_.workers[index_]->sessions.fetch_sub(1, std::memory_order_relaxed);
}

// --- buffers

void Worker::starve(ring::Token leg) {
  starved_.push_back(leg);
  if (std::exchange(pressure_armed_, true)) return;
  ring_.timer({0, 0, static_cast<std::uint16_t>(Operation::pressure)}, now() + stalled_after);
}

void Worker::feed_starved() {
  std::size_t rounds = std::min(starved_.size(), ring_.buffers_free());
  for (; rounds > 0; --rounds) {
    const ring::Token next = starved_.front();
    starved_.pop_front();
    if (next.kind >= Session::kinds) {
      discoveries_.at(next.slot)->receive_again();
      continue;
    }
    Session* session = find(next.slot, next.generation);
    if (session == nullptr) continue;
    session->receive_again(next.kind < Session::broker_kind ? tls::Remote::client : tls::Remote::broker);
    free_if_finished(next.slot);
  }
}

// Others starve: whatever has been standing for a while gives its buffers back.
void Worker::on_pressure() {
  const Instant since = now() - stalled_after;
  for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) {
    if (slots_[slot].session) slots_[slot].session->give_buffers_back(since);
  }
  if (starved_.empty()) return;
  pressure_armed_ = true;
  ring_.timer({0, 0, static_cast<std::uint16_t>(Operation::pressure)}, now() + stalled_after);
}

// --- names and topologies

void Worker::resolve(std::uint32_t slot, std::uint16_t generation, const HostPort& where) {
  resolver_.resolve((std::uint64_t{slot} << 16U) | generation, where, answers_);
}

void Worker::resolve_for_discovery(std::uint32_t cluster, const HostPort& where) {
  resolver_.resolve(for_discovery | cluster, where, answers_);
}

void Worker::answer_resolved() {
  for (net::Answer& answer : answers_->drain()) {
    if ((answer.request & for_discovery) != 0) {
      const auto cluster = static_cast<std::uint32_t>(answer.request & ~for_discovery);
      discoveries_[cluster]->on_resolved(std::move(answer.addresses), answer.error);
      continue;
    }
    const auto slot = static_cast<std::uint32_t>(answer.request >> 16U);
    Session* session = find(slot, static_cast<std::uint16_t>(answer.request & 0xFFFFU));
    if (session == nullptr) continue;
    session->on_resolved(std::move(answer.addresses), answer.error);
    free_if_finished(slot);
  }
}

certificates::Usable<tls::ServerContext> Worker::server_context(std::uint32_t cluster,
                                                                std::uint32_t listener) const {
  return tls_ == nullptr ? certificates::Usable<tls::ServerContext>{}
                         : tls_->clusters[cluster].listeners[listener];
}

std::expected<std::shared_ptr<const tls::ClientContext>, std::string> Worker::upstream_context(
    std::uint32_t cluster) const {
  if (!engine_.clusters[cluster]->config.upstream.tls) return nullptr;
  if (tls_ == nullptr) return std::unexpected(std::string("no certificate has been read yet"));
  const certificates::Usable<tls::ClientContext>& usable = tls_->clusters[cluster].upstream;
  if (usable.context == nullptr) return std::unexpected(usable.why_not);
  return usable.context;
}

void Worker::refresh() {
  if (engine_.tls != nullptr && engine_.tls->version() != tls_version_) {
    tls_version_ = engine_.tls->version();
    tls_ = engine_.tls->snapshot();
  }
  std::uint32_t listener = 0;
  for (std::size_t c = 0; c < views_.size(); ++c) {
    const Topology& topology = engine_.clusters[c]->topology;
    const auto listeners = static_cast<std::uint32_t>(engine_.clusters[c]->config.listeners.size());
    View& view = views_[c];
    const std::uint64_t version = topology.version();
    if (version != view.version) {
      view.version = version;
      view.snapshot = topology.snapshot();
      view.reconsider = true;
      for (std::uint32_t l = 0; l < listeners; ++l) routes_[listener + l].refresh(*view.snapshot);
    }
    listener += listeners;
  }
}

void Worker::reconsider() {
  if (stopping_) return;
  for (std::uint32_t c = 0; c < views_.size(); ++c) {
    std::atomic<bool>& wanted = engine_.clusters[c]->discovery_wanted;
    if (discoveries_[c] && wanted.load(std::memory_order_relaxed) && wanted.exchange(false))
      discoveries_[c]->soon();
    if (!std::exchange(views_[c].reconsider, false)) continue;
    for (const Slot& slot : slots_) {
      if (slot.session && slot.session->cluster() == c) slot.session->reconsider();
    }
  }
}

void Worker::note_bootstrap_addresses(std::uint32_t cluster, const std::vector<SocketAddress>& addresses) {
  for (const SocketAddress& address : addresses) {
    if (address.is_loopback()) engine_.clusters[cluster]->bootstrap_on_loopback = true;
    if (address.is_link_local()) engine_.clusters[cluster]->bootstrap_on_link_local = true;
  }
}

void Worker::want_discovery(std::uint32_t cluster) {
  engine_.clusters[cluster]->discovery_wanted.store(true);
  if (index_ != 0) engine_.workers.front()->ring->wake();
}

void Worker::note_unreachable(const PortEntry& port, NodeId id, const std::string& tried) {
  const config::Cluster& config = cluster(port.cluster).config;
  engine_.log.write({Severity::warning, "broker_unreachable", config.name + "/" + std::to_string(number(id)),
                     "broker " + std::to_string(number(id)) + " of cluster " + config.name +
                         " cannot be reached: tried" + tried +
                         ": other brokers stand in for bootstrap until it answers again"});
}

void Worker::note_left_out(const PortEntry& port, ApiKey source, NodeId id) {
  ClusterState& state = cluster(port.cluster);
  if (!state.note_left_out(id)) return;
  const config::Listener& listener = state.config.listeners[port.listener];
  engine_.log.write({Severity::warning, "broker_left_out", listener.name,
                     "broker " + std::to_string(number(id)) + " was left out of a " +
                         std::string(kafka::api_name(source)) + " response: listener " + listener.name +
                         " has no port for it, and its own address never goes to a client"});
}

void Worker::note_hidden_api(const PortEntry& port, ApiKey key) {
  ClusterState& state = cluster(port.cluster);
  if (!state.note_hidden(key)) return;
  engine_.log.write({Severity::info, "api_hidden", state.config.name,
                     "the brokers of cluster " + state.config.name + " offer " +
                         std::string(kafka::api_name(key)) + " (key " + std::to_string(number(key)) +
                         "), which is hidden from clients: it may carry " +
                         "addresses kferry does not know of; pass_api_keys lets it through"});
}

}  // namespace kferry::proxy
