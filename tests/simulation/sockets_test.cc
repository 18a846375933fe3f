// The same clients and brokers as in the simulation, on real sockets: the server's own threads over io_uring and over
// epoll, the scripts in the test's thread. What the simulation shows for thousands of orders of events is shown here
// once for the kernel's.
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker.h"
#include "client.h"
#include "doctest/doctest.h"
#include "net/resolver.h"
#include "proxy/plan.h"
#include "proxy/server.h"
#include "tcp_stream.h"

namespace kferry::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using State = Connection::State;

Instant now() {
  return Instant(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

// Every name is here.
class LoopbackResolver final : public net::Resolver {
 public:
  void doubt(const std::string&) override {}
  void resolve(std::uint64_t request, const HostPort& where,
               std::shared_ptr<net::AnswerQueue> queue) override {
    queue->push({.request = request,
                 .addresses = {*SocketAddress::parse("127.0.0.1", static_cast<std::uint16_t>(where.port))}});
  }
};

// Counts what went wrong, and notices that discovery is done. The brokers share this test's thread, so that under TSan
// kferry's own question may be answered too late, which is not an error of the connection.
class Log final : public LogSink {
 public:
  void write(const LogEvent& event) noexcept override {
    if (event.cause != "upstream_lost" &&
        (event.severity == Severity::error || event.severity == Severity::warning)) {
      ++wrong;
      // Not doctest's MESSAGE: its reporter is the test's thread's alone.
      std::fprintf(stderr, "%.*s: %s\n", static_cast<int>(event.cause.size()), event.cause.data(),
                   event.text.c_str());
    }
    if (event.cause == "discovered") discovered = true;
  }
  std::atomic<int> wrong = 0;
  std::atomic<bool> discovered = false;
};

class Sockets {
 public:
  Sockets(config::Backend backend, std::uint32_t workers, std::uint64_t seed = 1, bool pinned = false)
      : ledger(seed), dice(seed), told([this](std::int32_t id, const std::vector<std::int32_t>&) {
          return HostPort{"127.0.0.1", ports_[static_cast<std::size_t>(id - 1)]};
        }) {
    config_.engine.backend = backend;
    config_.engine.workers = workers;
    config_.engine.pin_workers = pinned;
    config_.engine.splice_threshold_bytes = 1024;  // so that both ways are taken
    config::Cluster& upstream = config_.clusters.emplace_back();
    upstream.name = "sockets";
    cluster.id = "sockets-cluster";
    cluster.ranges = {{3, 0, 14}, {18, 0, 6}, {95, 0, 0}, {1, 4, 19}};
    for (std::int32_t id = 1; id <= 3; ++id) {
      auto acceptor = std::make_unique<TcpAcceptor>(poller_);
      const std::string host = std::string(upstream_marker) + "-" + std::to_string(id);
      cluster.nodes.push_back(Node{id, host, acceptor->port(), std::nullopt});
      if (id < 3) upstream.upstream.bootstrap_servers.push_back({host, acceptor->port()});
      brokers.push_back(
          std::make_unique<Broker>(id, cluster, ledger, now, seed + static_cast<std::uint64_t>(id)));
      brokers.back()->serve(std::move(acceptor));
      parties_.push_back(brokers.back().get());
    }
    ports_ = free_ports(3);
    config::Listener& listener = upstream.listeners.emplace_back();
    listener.name = "external";
    listener.advertised_host = listener.bind_address = "127.0.0.1";
    listener.min_broker_id = 1;
    for (const std::uint16_t port : ports_) listener.ports.push_back({port, port});
    server = std::make_unique<proxy::Server>(proxy::Plan::make(config_), resolver_, log);
    const auto started = server->start();
    REQUIRE_MESSAGE(started.has_value(), (started ? "" : started.error()));
    run("discovery", [this] { return log.discovered.load(); });
  }
  ~Sockets() {
    clients.clear();
    connections.clear();
    server->stop();
  }

  void run(const char* what, const std::function<bool()>& until) {
    const Instant end = now() + seconds(60);
    while (!until() && ledger.violations().empty()) {
      bool moved = false;
      std::optional<Instant> wake;
      for (Party* party : parties_) moved = party->turn() || moved;
      for (const auto& broker : brokers) {
        if (const auto due = broker->wake(); due && (!wake || *due < *wake)) wake = due;
      }
      if (moved) {
        poller_.wait(Duration::zero());
        continue;
      }
      if (now() > end) ledger.violation(std::string("no end within a minute: ") + what);
      const Duration nap = wake ? std::max(*wake - now(), Duration::zero()) : Duration(milliseconds(50));
      poller_.wait(std::min<Duration>(nap, milliseconds(50)));
    }
    for (const std::string& violation : ledger.violations()) FAIL_CHECK(violation);
    REQUIRE(ledger.violations().empty());
  }

  Client& add_client(ClientPlan plan) { return add_client(plan, told, ports_); }
  // Through a listener with these ports.
  Client& add_client(ClientPlan plan, const Told& told_there, const std::vector<std::uint16_t>& ports) {
    std::vector<HostPort> servers;
    for (const std::uint16_t port : ports) servers.push_back({"127.0.0.1", port});
    clients.push_back(std::make_unique<Client>(
        "client", ledger, told_there,
        [this](const HostPort& where) {
          return TcpStream::dial(poller_, static_cast<std::uint16_t>(where.port));
        },
        std::move(servers), now, plan, dice.below(UINT64_MAX)));
    parties_.push_back(clients.back().get());
    return *clients.back();
  }
  bool clients_finished() const {
    return std::all_of(clients.begin(), clients.end(), [](const auto& one) { return one->finished(); });
  }
  const config::Config& config() const { return config_; }
  proxy::PlanMoves::Outcome move_to(const config::Config& config) {
    std::future<proxy::PlanMoves::Outcome> outcome = server->propose(proxy::Plan::make(config));
    run("a move to another plan",
        [&] { return outcome.wait_for(Duration::zero()) == std::future_status::ready; });
    return outcome.get();
  }
  Connection& connect(std::int32_t id) {
    auto stream = TcpStream::dial(poller_, ports_[static_cast<std::size_t>(id - 1)]);
    REQUIRE(stream);
    connections.push_back(
        std::make_unique<Connection>(ledger, told, std::move(stream), dice.below(UINT64_MAX)));
    parties_.push_back(connections.back().get());
    return *connections.back();
  }
  Order heartbeat(std::int32_t id, std::size_t reply_size) {
    Order order = order_of(dice, Kind::opaque, 1);
    order.key = 12;
    order.meant_for = id;
    order.reply_size = reply_size;
    return order;
  }

  Ledger ledger;
  Dice dice;
  Cluster cluster;
  Log log;
  const Told told;
  std::vector<std::unique_ptr<Broker>> brokers;
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<std::unique_ptr<Connection>> connections;
  std::unique_ptr<proxy::Server> server;

 private:
  Poller poller_;
  LoopbackResolver resolver_;
  config::Config config_;
  std::vector<std::uint16_t> ports_;
  std::vector<Party*> parties_;
};

// KFERRY_SOCKETS_REQUESTS: of each client, where the processor is a slow one.
std::size_t requests_of_a_client() {
  const char* const said = std::getenv("KFERRY_SOCKETS_REQUESTS");
  return said == nullptr ? 200 : std::strtoul(said, nullptr, 10);
}

void run_traffic(config::Backend backend) {
  const std::size_t requests = requests_of_a_client();
  for (const std::uint32_t workers : {1U, 3U}) {
    Sockets sockets(backend, workers);
    for (int i = 0; i < 8; ++i) {
      ClientPlan plan;
      plan.goal = requests;
      plan.window = 30;
      plan.sasl = i % 2 == 0;
      plan.mix.body_max = 20'000;
      plan.mix.reply_max = i % 3 == 0 ? 200'000 : 3'000;
      plan.mix.large_one_in = 40;
      sockets.add_client(plan);
    }
    sockets.run("clients with their traffic", [&] { return sockets.clients_finished(); });
    CHECK(sockets.log.wrong == 0);
    CHECK(sockets.ledger.replies_verified >= 8 * requests / 2);
  }
}

TEST_CASE("every byte arrives once and in order, on io_uring") {
  run_traffic(config::Backend::io_uring);
}
TEST_CASE("every byte arrives once and in order, on epoll") {
  run_traffic(config::Backend::epoll);
}

void walk_close_table(config::Backend backend) {
  Sockets sockets(backend, 2);
  Broker& broker = *sockets.brokers.front();
  Fate fate;
  broker.fate = [&] { return fate; };
  const auto ask = [&](std::size_t count) {
    Connection& connection = sockets.connect(1);
    for (std::size_t i = 0; i < count; ++i) connection.ask(sockets.heartbeat(1, 30'000));
    return &connection;
  };
  const auto run_to_end = [&](Connection* connection) {
    sockets.run("a connection's end", [&] { return connection->state() != State::open; });
  };
  SUBCASE("a half-close delivers requests and answers") {
    Connection* connection = ask(20);
    sockets.run("a first answer", [&] { return connection->done() > 0; });
    connection->half_close();
    run_to_end(connection);
    CHECK(connection->state() == State::ended);
    CHECK(connection->done() == 20);
  }
  SUBCASE("a broker's end between answers is an end") {
    fate = {Ending::close, 5, 9};
    Connection* connection = ask(9);
    connection->window = 9;
    run_to_end(connection);
    CHECK(connection->state() == State::ended);
    CHECK(connection->done() == 5);
  }
  SUBCASE("a broker's end inside an answer is a reset") {
    fate = {Ending::close_mid_frame, 3, 0};
    Connection* connection = ask(9);
    run_to_end(connection);
    CHECK(connection->state() == State::reset);
  }
  SUBCASE("a broker's reset is a reset") {
    fate = {Ending::reset, 3, 0};
    Connection* connection = ask(9);
    run_to_end(connection);
    CHECK(connection->state() == State::reset);
  }
  SUBCASE("a client's reset is a reset") {
    Connection* connection = ask(9);
    sockets.run("a first answer", [&] { return connection->done() > 0; });
    const std::int32_t number = connection->number();
    connection->reset();
    sockets.run("the broker's reset", [&] { return sockets.ledger.connection(number).broker_reset; });
  }
}

TEST_CASE("the close table, on io_uring") {
  walk_close_table(config::Backend::io_uring);
}
TEST_CASE("the close table, on epoll") {
  walk_close_table(config::Backend::epoll);
}

void stall_eight(config::Backend backend) {
  Sockets sockets(backend, 1);
  std::vector<Connection*> stalled;
  for (int i = 0; i < 8; ++i) {
    stalled.push_back(&sockets.connect(1 + i % 3));
    stalled.back()->reading = false;
    for (int k = 0; k < 12; ++k) stalled.back()->ask(sockets.heartbeat(1 + i % 3, 1U << 20U));
  }
  for (int i = 0; i < 4; ++i) {
    ClientPlan plan;
    plan.goal = 100;
    plan.mix.reply_max = 100'000;
    sockets.add_client(plan);
  }
  sockets.run("clients beside eight stalled ones", [&] { return sockets.clients_finished(); });
  for (Connection* connection : stalled) connection->reading = true;
  sockets.run("stalled clients that read again", [&] {
    return std::all_of(stalled.begin(), stalled.end(), [](const Connection* one) { return one->idle(); });
  });
  for (const Connection* connection : stalled) CHECK(connection->done() == 12);
  CHECK(sockets.log.wrong == 0);
}

TEST_CASE("eight stalled readers do not hold up the others, on io_uring") {
  stall_eight(config::Backend::io_uring);
}
TEST_CASE("eight stalled readers do not hold up the others, on epoll") {
  stall_eight(config::Backend::epoll);
}

void end_in_traffic(config::Backend backend) {
  for (std::uint64_t round = 0; round < 5; ++round) {
    Sockets sockets(backend, 3, round + 1);
    for (int i = 0; i < 6; ++i) {
      ClientPlan plan;
      plan.goal = 100'000;
      plan.failures = true;
      sockets.add_client(plan);
    }
    const Instant until = now() + milliseconds(10 + 20 * round);
    sockets.run("some traffic", [&] { return now() > until; });
    sockets.server->stop();
  }
}

TEST_CASE("an end in the midst of traffic comes, on io_uring") {
  end_in_traffic(config::Backend::io_uring);
}
TEST_CASE("an end in the midst of traffic comes, on epoll") {
  end_in_traffic(config::Backend::epoll);
}

void swap_plans(config::Backend backend) {
  Sockets sockets(backend, 3);
  const std::vector<std::uint16_t> ports = free_ports(3);
  const Told told = [&ports](std::int32_t id, const std::vector<std::int32_t>&) {
    return HostPort{"127.0.0.1", ports[static_cast<std::size_t>(id - 1)]};
  };
  config::Config with = sockets.config();
  with.clusters.front().listeners.push_back(with.clusters.front().listeners.front());
  config::Listener& added = with.clusters.front().listeners.back();
  added.name = "internal";
  added.ports.clear();
  for (const std::uint16_t port : ports) added.ports.push_back({port, port});
  ClientPlan plan;
  plan.goal = requests_of_a_client() / 2;
  plan.window = 30;
  for (int i = 0; i < 4; ++i) sockets.add_client(plan);
  for (int round = 0; round < 3; ++round) {
    CHECK(sockets.move_to(with).has_value());
    for (int i = 0; i < 3; ++i) sockets.add_client(plan, told, ports);
    sockets.run("clients of both listeners", [&] { return sockets.clients_finished(); });
    for (int i = 0; i < 3; ++i) sockets.add_client(plan);
    CHECK(sockets.move_to(sockets.config()).has_value());
    config::Config taken = with;
    taken.clusters.front().listeners.back().ports.back().local =
        static_cast<std::uint16_t>(sockets.cluster.nodes.front().port);
    const auto refused = sockets.move_to(taken);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().find("another process listens there") != std::string::npos);
    config::Config wildcard = sockets.config();
    wildcard.clusters.front().listeners.front().bind_address = "0.0.0.0";
    const auto in_the_way = sockets.move_to(wildcard);
    REQUIRE_FALSE(in_the_way.has_value());
    CHECK(in_the_way.error().find("remove that listener first") != std::string::npos);
  }
  sockets.run("clients across plans", [&] { return sockets.clients_finished(); });
  CHECK(sockets.log.wrong == 0);
}

TEST_CASE("plans are swapped under traffic, on io_uring") {
  swap_plans(config::Backend::io_uring);
}
TEST_CASE("plans are swapped under traffic, on epoll") {
  swap_plans(config::Backend::epoll);
}

// Of each core that this test may run on, how many of its threads run on that one alone.
std::map<int, int> pinned_threads() {
  cpu_set_t usable;
  REQUIRE(sched_getaffinity(0, sizeof usable, &usable) == 0);
  std::map<int, int> found;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    cpu_set_t set;
    if (sched_getaffinity(std::stoi(task.path().filename()), sizeof set, &set) != 0)
      continue;  // it has ended
    if (CPU_COUNT(&set) != 1 || CPU_COUNT(&usable) == 1) continue;
    for (int core = 0; core < CPU_SETSIZE; ++core)
      if (CPU_ISSET(core, &set)) ++found[core];
  }
  return found;
}

TEST_CASE("workers are pinned to one core each where that is asked for, and to none otherwise") {
  const std::uint32_t cores = proxy::usable_cores();
  if (cores < 2) {
    MESSAGE("there is only one core");
    return;
  }
  {
    const Sockets sockets(config::Backend::epoll, cores + 1, 1, true);
    const std::map<int, int> pinned = pinned_threads();
    CHECK(pinned.size() == cores);
    CHECK(pinned.begin()->second == 2);  // one more worker than cores: round again
    CHECK(std::next(pinned.begin())->second == 1);
    CHECK(sockets.log.wrong == 0);
  }
  const Sockets sockets(config::Backend::epoll, cores);
  CHECK(pinned_threads().empty());
}

}  // namespace
}  // namespace kferry::simulation
