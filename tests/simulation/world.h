// The whole proxy in virtual time on one thread: a runtime with its workers over simulated rings and a
// simulated resolver, simulated brokers behind it, simulated clients before it. One seed decides everything.
//
//   step:  workers that have something ▸ resolver ▸ some parties ▸ the next event
//          nothing soon: all parties ▸ let time pass
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log_sink.h"
#include "broker.h"
#include "client.h"
#include "config/config.h"
#include "net/simulated_resolver.h"
#include "proxy/figures.h"
#include "proxy/runtime.h"
#include "proxy/server_status.h"
#include "proxy/worker.h"
#include "ring/simulated_ring.h"
#include "ring/simulation.h"
#include "sim_stream.h"
#include "trail.h"

namespace kferry::simulation {

struct WorldOptions {
  std::vector<std::int32_t> ids = {1, 2, 3};  // of brokers
  std::size_t ports = 3;                      // of the listener
  std::int32_t min_broker_id = 0;
  std::vector<std::int32_t> listed_ids{};  // `ids` of the listener
  std::size_t workers = 1;
  std::size_t buffers = 64;
  std::size_t buffer_size = 16 * 1024;
  std::uint64_t splice_threshold = 4096;
  std::uint32_t receive_size = 64 * 1024;
  std::uint32_t multishot_receive = 4096;
  std::uint32_t look_ahead = 1024;
  bool client_tls = false;
  bool broker_tls = false;
  bool terse_brokers = false;  // they answer a close_notify by FIN alone
  bool sni =
      false;  // two listeners that share a socket, each with names and a certificate of its own; client_tls too
  bool discovery = true;
  bool credentials = false;         // discovery proves itself with PLAIN
  bool bootstrap_by_alias = false;  // bootstrap servers have names of their own, which prove no broker
  config::Limits limits{};
  ring::SimulationOptions simulation{};  // the seed is set from the world's
};

class World {
 public:
  World(std::uint64_t seed, WorldOptions options, bool trace);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Listens and, where it is in the options, discovers.
  void start();
  // True once `until` holds; false when `limit` of virtual time has passed without: noted as a violation that
  // says what everybody is doing, with `what` in front.
  bool run(const std::string& what, const std::function<bool()>& until, Duration limit);
  void run_for(Duration time);
  // Ends the workers, in the server's order, and sees that nothing is left behind.
  void stop();
  bool step(Instant limit);

  // `listener`: with SNI 0 or 1.
  Client& add_client(ClientPlan plan, std::size_t listener = 0);
  bool clients_finished() const;
  std::unique_ptr<Stream> dial(const HostPort& told);
  // A connection to the port of a broker, turned by the world until it is gone.
  Connection& connect(std::int32_t broker_id);
  Connection& connect_at(std::int32_t advertised_port);
  Connection& connect_to(const HostPort& told, std::size_t listener = 0);
  // Turned with the others from now on; outlives the run.
  void add(Party& party) { parties_.push_back(&party); }

  // The configuration of the plan proposed last.
  const config::Config& config() const { return config_; }
  // Proposes another plan to the running workers, with certificates of its own where it has TLS.
  std::future<proxy::PlanMoves::Outcome> propose(const config::Config& config);
  void drain(Duration time) { runtime_->drain.begin({time, proxy::DrainOrders::Ports::one_by_one}); }
  proxy::DrainStatus drain_status() const { return proxy::status_of(*runtime_).drain; }
  std::size_t plans_in_use(std::size_t worker) const { return workers_[worker]->plans_in_use(); }

  Broker& broker(std::int32_t id);
  std::int32_t port_of(std::int32_t broker_id) const;
  SocketAddress address_of(std::int32_t broker_id) const;
  // (Re)starts a broker where its present address is.
  void serve(std::int32_t broker_id);
  // From now on it lives at another host name and address, and the cluster says so; served by serve().
  void move(std::int32_t broker_id);
  // From now on its name has another address; served by serve().
  void readdress(std::int32_t broker_id);
  // What clients must be told for a broker; nullopt: nothing. `live` may take its port.
  std::optional<HostPort> told(std::int32_t id, const std::vector<std::int32_t>& live,
                               std::size_t listener = 0) const;
  // Where clients begin.
  std::vector<HostPort> bootstrap_servers(std::size_t listener = 0) const;
  std::size_t logged(std::string_view cause) const;
  // Of those, the ones whose text holds `part`.
  std::size_t logged(std::string_view cause, std::string_view part) const;
  // A warning or error whose cause is not among these is a violation.
  void expect_only(const std::vector<std::string_view>& causes);

  Instant now() const { return simulation.now(); }
  proxy::Figures figures() const { return proxy::figures_of(*runtime_, now()); }
  std::size_t sessions(std::size_t worker) const { return workers_[worker]->sessions(); }
  std::uint64_t steps() const { return steps_; }

  WorldOptions options;
  Dice dice;
  ring::Simulation simulation;
  net::SimulatedResolver resolver;
  Ledger ledger;
  Moved client_side;  // bytes, without kferry's own sockets
  Moved broker_side;
  Cluster cluster;
  std::vector<std::unique_ptr<Cluster>> more_clusters;  // of the test's own making
  const std::array<Told, 2> told_functions;             // by listener
  std::vector<std::unique_ptr<Broker>> brokers;
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<std::unique_ptr<Connection>> connections;

 private:
  struct Place {
    std::string host;
    SocketAddress address;
  };
  struct Log final : LogSink {
    struct Line {
      Severity severity;
      std::string cause;
      std::string text;
    };
    Log(World& in, bool tracing) : world(in), trace(tracing) {}
    void write(const LogEvent& event) noexcept override;
    World& world;
    const bool trace;
    std::vector<Line> lines;
  };

  std::size_t place_of(std::int32_t broker_id) const;
  config::Config make_config() const;
  void load_certificates();
  void expect_sound_figures();
  bool turn_workers(bool all);
  std::optional<Instant> next_wake() const;

  Log log_;
  Trail trail_;                // hears of every connection, in three worlds of four
  std::vector<Place> places_;  // of brokers
  config::Config config_;
  std::shared_ptr<certificates::TlsContexts> contexts_;
  std::unique_ptr<proxy::Runtime> runtime_;
  std::vector<std::unique_ptr<ring::SimulatedRing>> rings_;
  std::vector<std::unique_ptr<proxy::Worker>> workers_;
  std::vector<Party*> parties_;
  std::uint64_t steps_ = 0;
  std::uint32_t moves_ = 0;
};

}  // namespace kferry::simulation
