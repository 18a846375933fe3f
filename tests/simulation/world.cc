// See world.h.
#include "world.h"

#include <algorithm>
#include <cstdio>

#include "operations/json_check_test.h"
#include "operations/log_line.h"
#include "sim_stream.h"
#include "tls_side.h"

namespace kferry::simulation {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::uint16_t local_port_base = 17'000;
constexpr std::int32_t advertised_port_base = 7'000;
// Nothing due for so long: all that is due is done before more time passes.
constexpr Duration quiet = milliseconds(1);

void print(Instant now, const std::string& line) {
  std::printf("  %12.3f ms  %s\n", std::chrono::duration<double, std::milli>(now.time_since_epoch()).count(),
              line.c_str());
}

config::SniNames names_of(std::size_t listener) {
  return {"b-", "." + sni_domain(listener), "boot." + sni_domain(listener)};
}

void take_names(config::Listener& listener, std::size_t index) {
  listener.name += std::to_string(index);
  listener.routing = config::Routing::sni;
  listener.sni = names_of(index);
  listener.advertised_host = listener.sni->bootstrap;
  listener.tls = listener_tls(index);
}

ring::SimulationOptions simulation_options(const World& world, std::uint64_t seed, bool trace) {
  ring::SimulationOptions result = world.options.simulation;
  result.seed = seed;
  if (trace) result.trace = [&world](const std::string& line) { print(world.now(), line); };
  return result;
}

}  // namespace

void World::Log::write(const LogEvent& event) noexcept {
  lines.push_back({event.severity, std::string(event.cause), event.text});
  const operations::LineForm json{.format = operations::LogFormat::json};
  if (!operations::is_json(operations::log_line(event, std::chrono::system_clock::time_point{}, json)))
    world.ledger.violation("a line is not JSON: " + lines.back().cause + ": " + event.text);
  if (trace) print(world.now(), "log " + lines.back().cause + ": " + event.text);
}

World::World(std::uint64_t seed, WorldOptions world_options, bool trace)
    : options(std::move(world_options)),
      dice(seed * 7 + 3),
      simulation(simulation_options(*this, seed, trace)),
      resolver(seed * 11 + 5, [this] { return simulation.now(); }),
      ledger(seed),
      told_functions{
          [this](std::int32_t id, const std::vector<std::int32_t>& live) { return told(id, live, 0); },
          [this](std::int32_t id, const std::vector<std::int32_t>& live) { return told(id, live, 1); }},
      log_(*this, trace),
      trail_(ledger) {
  cluster.id = "cluster-" + std::to_string(seed);
  // Sorted as no broker would, with what is to be hidden, clamped or dropped.
  cluster.ranges = {{3, 0, 14}, {0, 0, 13}, {1, 4, 19}, {18, 0, 6}, {10, 0, 6}, {95, 0, 0},
                    {2, 1, 11}, {78, 0, 0}, {60, 0, 2}, {52, 0, 2}, {79, 1, 3}, {10'001, 0, 3}};
  if (options.credentials) {
    cluster.username = "kferry";
    cluster.password = "secret";
  }
  for (std::size_t i = 0; i < options.ids.size(); ++i) {
    const std::int32_t id = options.ids[i];
    Place place;
    place.host = std::string(upstream_marker) + "-" + std::to_string(id) + ".internal";
    place.address = *SocketAddress::parse("10.0.0." + std::to_string(10 + i),
                                          static_cast<std::uint16_t>(9'000 + dice.below(900)));
    resolver.set(place.host, {place.address});
    if (i < 2) resolver.set(std::string(upstream_marker) + "-boot-" + std::to_string(i), {place.address});
    cluster.nodes.push_back(Node{id, place.host, place.address.port(),
                                 dice.one_in(2) ? std::optional<std::string>("rack") : std::nullopt});
    places_.push_back(std::move(place));
    brokers.push_back(std::make_unique<Broker>(id, cluster, ledger, [this] { return now(); }, seed * 13 + i));
    add(*brokers.back());
    serve(id);
  }
  config_ = make_config();
  config_.engine.splice_threshold_bytes = options.splice_threshold;
  config_.engine.receive_size_bytes = options.receive_size;
  config_.engine.standing_receive_bytes = options.multishot_receive;
  config_.engine.look_ahead_bytes = options.look_ahead;
  load_certificates();
  runtime_ = std::make_unique<proxy::Runtime>(proxy::Plan::make(config_), log_, contexts_);
  if (seed % 4 != 0) runtime_->audit = &trail_;
  for (std::size_t w = 0; w < options.workers; ++w) {
    rings_.push_back(std::make_unique<ring::SimulatedRing>(simulation, options.buffers, options.buffer_size));
    runtime_->workers.push_back(std::make_unique<proxy::WorkerLink>());
    runtime_->workers.back()->mailbox = rings_.back()->mailbox();
    runtime_->workers.back()->ring = rings_.back().get();
  }
  for (std::size_t w = 0; w < options.workers; ++w)
    workers_.push_back(std::make_unique<proxy::Worker>(*runtime_, w, *rings_[w], resolver, seed * 17 + w));
}

World::~World() {
  // A run that ended early has workers left. One that cannot end stays, and with it what it uses: the violation
  // is what is to be seen, not the assertion of a session that is freed too early.
  if (std::any_of(workers_.begin(), workers_.end(), [](const auto& worker) { return worker != nullptr; }))
    stop();
  for (auto& worker : workers_) {
    if (!worker) continue;
    static_cast<void>(worker.release());
    static_cast<void>(runtime_.release());
    for (auto& ring : rings_) static_cast<void>(ring.release());
    break;
  }
  clients.clear();
  connections.clear();
  for (const auto& broker : brokers) broker->kill();
}

config::Config World::make_config() const {
  config::Config config;
  config.limits = options.limits;
  config::Cluster& upstream = config.clusters.emplace_back();
  upstream.name = "sim";
  for (std::size_t i = 0; i < std::min<std::size_t>(2, places_.size()); ++i) {
    upstream.upstream.bootstrap_servers.push_back(
        {options.bootstrap_by_alias ? std::string(upstream_marker) + "-boot-" + std::to_string(i)
                                    : places_[i].host,
         places_[i].address.port()});
  }
  if (!options.discovery || options.credentials)
    upstream.upstream.security_protocol = config::SecurityProtocol::sasl_plaintext;
  if (options.credentials)
    upstream.upstream.sasl = config::SaslCredentials{"PLAIN", cluster.username, cluster.password};
  config::Listener& listener = upstream.listeners.emplace_back();
  listener.name = "external";
  listener.security_protocol = upstream.upstream.security_protocol;
  listener.advertised_host = "kferry.example";
  listener.min_broker_id = options.min_broker_id;
  listener.ids = options.listed_ids;
  for (std::size_t i = 0; i < options.ports; ++i) {
    listener.ports.push_back({static_cast<std::uint16_t>(advertised_port_base + static_cast<std::int32_t>(i)),
                              static_cast<std::uint16_t>(local_port_base + i)});
  }
  if (options.client_tls) listener.tls = listener_tls();
  if (options.sni) {
    listener.ports.resize(1);
    config::Listener other = listener;
    take_names(listener, 0);
    take_names(other, 1);
    upstream.listeners.push_back(std::move(other));
  }
  if (options.broker_tls) upstream.upstream.tls = upstream_tls();
  return config;
}

void World::load_certificates() {
  if (!options.client_tls && !options.broker_tls) return;
  contexts_ = std::make_shared<certificates::TlsContexts>(
      std::make_shared<const config::Config>(config_), log_, Instant{},
      certificates::TlsContexts::system_time, contexts_.get());
  for (const config::Problem& problem : contexts_->load()) ledger.violation(config::to_string(problem));
}

std::future<proxy::PlanMoves::Outcome> World::propose(const config::Config& config) {
  config_ = config;
  load_certificates();
  return runtime_->moves.propose({proxy::Plan::make(config_), contexts_});
}

void World::start() {
  if (const auto error = workers_.front()->listen()) ledger.violation(*error);
  workers_.front()->discover();
}

// --- who lives where

Broker& World::broker(std::int32_t id) {
  return **std::find_if(brokers.begin(), brokers.end(), [&](const auto& one) { return one->id() == id; });
}

std::size_t World::place_of(std::int32_t broker_id) const {
  return static_cast<std::size_t>(std::find(options.ids.begin(), options.ids.end(), broker_id) -
                                  options.ids.begin());
}

SocketAddress World::address_of(std::int32_t broker_id) const {
  return places_[place_of(broker_id)].address;
}

void World::serve(std::int32_t broker_id) {
  auto listener = simulation.listen_outside(address_of(broker_id));
  if (!listener) {
    ledger.violation("test: two brokers at " + address_of(broker_id).text());
    return;
  }
  std::unique_ptr<Acceptor> acceptor = std::make_unique<SimAcceptor>(*listener, broker_side);
  if (options.broker_tls) acceptor = with_broker_tls(std::move(acceptor), options.terse_brokers);
  broker(broker_id).serve(std::move(acceptor));
}

void World::move(std::int32_t broker_id) {
  readdress(broker_id);
  Place& place = places_[place_of(broker_id)];
  place.host += "-moved";
  place.address = net::with_port(place.address, static_cast<std::uint16_t>(9'000 + dice.below(900)));
  resolver.set(place.host, {place.address});
  for (Node& node : cluster.nodes) {
    if (node.id != broker_id) continue;
    node.host = place.host;
    node.port = place.address.port();
  }
}

void World::readdress(std::int32_t broker_id) {
  const std::size_t at = place_of(broker_id);
  ++moves_;
  places_[at].address = *SocketAddress::parse(
      "10.0." + std::to_string(moves_) + "." + std::to_string(10 + at), places_[at].address.port());
  resolver.set(places_[at].host, {places_[at].address});
}

std::vector<HostPort> World::bootstrap_servers(std::size_t listener) const {
  if (options.sni) return {{names_of(listener).bootstrap, advertised_port_base}};
  std::vector<HostPort> servers;
  for (std::size_t i = 0; i < options.ports; ++i)
    servers.push_back({"kferry.example", advertised_port_base + static_cast<std::int32_t>(i)});
  return servers;
}

std::optional<HostPort> World::told(std::int32_t id, const std::vector<std::int32_t>& live,
                                    std::size_t listener) const {
  if (options.sni) {
    if (id < 0) return std::nullopt;
    return HostPort{names_of(listener).host_of(NodeId{id}), advertised_port_base};
  }
  const auto index = [&](std::int32_t node) -> std::optional<std::size_t> {
    if (!options.listed_ids.empty()) {
      const auto place = std::find(options.listed_ids.begin(), options.listed_ids.end(), node);
      if (place == options.listed_ids.end()) return std::nullopt;
      return static_cast<std::size_t>(place - options.listed_ids.begin());
    }
    const auto size = static_cast<std::int64_t>(options.ports);
    return static_cast<std::size_t>(((std::int64_t{node} - options.min_broker_id) % size + size) % size);
  };
  const auto mine = index(id);
  if (!mine || *mine >= options.ports) return std::nullopt;
  for (const std::int32_t other : live) {
    if (other < id && index(other) == mine) return std::nullopt;
  }
  return HostPort{"kferry.example", advertised_port_base + static_cast<std::int32_t>(*mine)};
}

std::int32_t World::port_of(std::int32_t broker_id) const {
  return told(broker_id, {})->port;
}

// --- clients

std::unique_ptr<Stream> World::dial(const HostPort& told) {
  const auto local = static_cast<std::uint16_t>(told.port - advertised_port_base + local_port_base);
  auto socket = simulation.connect_from_outside(*SocketAddress::parse("192.168.1.1", local));
  if (!socket) return nullptr;
  std::unique_ptr<Stream> stream = std::make_unique<SimStream>(*socket, client_side);
  if (!options.client_tls) return stream;
  return options.sni ? with_client_tls(std::move(stream), told.host) : with_client_tls(std::move(stream));
}

Client& World::add_client(ClientPlan plan, std::size_t listener) {
  clients.push_back(std::make_unique<Client>(
      "client " + std::to_string(clients.size()), ledger, told_functions[listener],
      [this](const HostPort& where) { return dial(where); }, bootstrap_servers(listener),
      [this] { return now(); }, plan, dice.below(UINT64_MAX)));
  add(*clients.back());
  return *clients.back();
}

bool World::clients_finished() const {
  return std::all_of(clients.begin(), clients.end(), [](const auto& client) { return client->finished(); });
}

Connection& World::connect(std::int32_t broker_id) {
  return connect_to(*told(broker_id, {}));
}

Connection& World::connect_at(std::int32_t advertised_port) {
  return connect_to({"kferry.example", advertised_port});
}

Connection& World::connect_to(const HostPort& told, std::size_t listener) {
  auto stream = dial(told);
  if (!stream) {
    ledger.violation("nothing listens at " + to_string(told));
    stream = std::make_unique<DeadStream>();
  }
  connections.push_back(std::make_unique<Connection>(ledger, told_functions[listener], std::move(stream),
                                                     dice.below(UINT64_MAX)));
  add(*connections.back());
  return *connections.back();
}

// --- time

bool World::turn_workers(bool all) {
  bool turned = false;
  for (std::size_t w = 0; w < workers_.size(); ++w) {
    // A worker need not run between any two events: completions come in batches.
    if (!workers_[w] || !rings_[w]->due() || (!all && dice.one_in(3))) continue;
    workers_[w]->turn();
    turned = true;
  }
  return turned;
}

std::optional<Instant> World::next_wake() const {
  std::optional<Instant> soonest = resolver.next_due();
  const auto consider = [&](std::optional<Instant> wake) {
    if (wake && (!soonest || *wake < *soonest)) soonest = wake;
  };
  for (const auto& broker : brokers) consider(broker->wake());
  for (const auto& client : clients) consider(client->wake());
  return soonest;
}

// False once `limit` is reached and nothing is due before it.
bool World::step(Instant limit) {
  ++steps_;
  turn_workers(false);
  resolver.deliver();
  for (std::uint64_t turns = dice.below(3); turns > 0 && !parties_.empty(); --turns)
    dice.of(parties_)->turn();
  if (simulation.step(std::min(limit, now() + quiet))) return true;
  bool moved = turn_workers(true);
  moved = resolver.deliver() > 0 || moved;
  for (Party* party : parties_) moved = party->turn() || moved;
  if (moved) return true;
  const auto wake = next_wake();
  simulation.step(std::max(now(), std::min(limit, wake.value_or(limit))));
  return now() < limit;
}

bool World::run(const std::string& what, const std::function<bool()>& until, Duration limit) {
  const Instant end = now() + limit;
  while (!until()) {
    if (!ledger.violations().empty()) return false;
    if (step(end) || until()) continue;
    std::string text = "no end within " +
                       std::to_string(std::chrono::duration_cast<std::chrono::seconds>(limit).count()) +
                       " s of virtual time: " + what;
    for (const auto& client : clients) {
      if (!client->finished()) text += "\n    " + client->text();
    }
    for (const auto& connection : connections) {
      if (!connection->idle()) text += "\n    " + connection->text();
    }
    ledger.violation(std::move(text));
    return false;
  }
  return true;
}

void World::run_for(Duration time) {
  const Instant end = now() + time;
  while (step(end)) {
  }
}

void World::stop() {
  for (std::size_t w = 0; w < workers_.size(); ++w) {
    if (!workers_[w]) continue;
    workers_[w]->stop();
    const Instant end = now() + std::chrono::minutes(1);
    do {
      workers_[w]->turn();
      if (workers_[w]->stopped()) break;
    } while (step(end));
    if (!workers_[w]->stopped()) {
      ledger.violation("worker " + std::to_string(w) + " did not end within a minute of being told to");
      return;
    }
    workers_[w].reset();
  }
  expect_sound_figures();
  clients.clear();
  connections.clear();
  for (const auto& broker : brokers) broker->kill();
  const auto leaks = simulation.leaks();
  if (leaks.any())
    ledger.violation("left behind: " + std::to_string(leaks.sockets) + " sockets, " +
                     std::to_string(leaks.operations) + " operations, " + std::to_string(leaks.buffers) +
                     " buffers");
}

// --- the log

std::size_t World::logged(std::string_view cause) const {
  return static_cast<std::size_t>(std::count_if(log_.lines.begin(), log_.lines.end(),
                                                [&](const Log::Line& line) { return line.cause == cause; }));
}

std::size_t World::logged(std::string_view cause, std::string_view part) const {
  return static_cast<std::size_t>(
      std::count_if(log_.lines.begin(), log_.lines.end(), [&](const Log::Line& line) {
        return line.cause == cause && line.text.find(part) != std::string::npos;
      }));
}

void World::expect_only(const std::vector<std::string_view>& causes) {
  for (const Log::Line& line : log_.lines) {
    const bool bad = line.severity == Severity::error || line.severity == Severity::warning;
    if (bad && std::find(causes.begin(), causes.end(), line.cause) == causes.end())
      ledger.violation("logged without reason: " + line.cause + ": " + line.text);
  }
}

}  // namespace kferry::simulation
