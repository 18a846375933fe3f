// Who may connect: limits and lists that a reload brings, refused connections that close a little later, PROXY protocol
// headers in any pieces, and connections that reach the age that they may have.
#include <algorithm>

#include "doctest/doctest.h"
#include "seeds.h"
#include "sim_stream.h"
#include "tls_side.h"

namespace kferry::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

std::unique_ptr<World> started(Run& run, bool tls, const std::function<void(config::Config&)>& change,
                               bool sni = false) {
  WorldOptions options = some_options(run);
  options.sni = sni;
  options.discovery = true;
  options.credentials = false;
  options.workers = 1 + run.dice.below(4);
  options.client_tls = tls;
  options.simulation.reset = 0;
  auto world = std::make_unique<World>(run.seed, options, run.trace);
  world->start();
  world->run("discovery", [&] { return world->logged("discovered") > 0; }, minutes(1));
  config::Config config = world->config();
  change(config);
  auto outcome = world->propose(config);
  world->run(
      "a move to another plan", [&] { return outcome.wait_for(seconds(0)) == std::future_status::ready; },
      minutes(1));
  return world;
}

config::Listener& listener_of(config::Config& config) {
  return config.clusters.front().listeners.front();
}

std::uint64_t closed(const World& world, CloseCause cause) {
  std::uint64_t count = 0;
  const proxy::Figures figures = world.figures();
  for (const auto& [names, listener] : figures.listeners)
    count += listener.closed[static_cast<std::size_t>(cause)];
  return count;
}

Order some_request(Run& run, std::int32_t id) {
  Order order = order_of(run.dice, Kind::opaque, 1);
  order.key = 12;
  order.meant_for = id;
  return order;
}

void expect_answer(World& world, Run& run, Connection& connection, std::int32_t id) {
  const std::size_t done = connection.done();
  connection.ask(some_request(run, id));
  world.run("an answer", [&] { return connection.done() > done; }, seconds(30));
}

// The connection is closed without a byte for the client.
void expect_refusal(World& world, const Connection& connection) {
  world.run("a refusal", [&] { return connection.state() != Connection::State::open; }, seconds(5));
  if (connection.done() > 0) world.ledger.violation(connection.text() + " was served");
}

std::string header_of(const char* source, bool v2) {
  if (!v2) return std::string("PROXY TCP4 ") + source + " 198.51.100.1 56324 6969\r\n";
  const SocketAddress address = *SocketAddress::parse(source, 1);
  std::string text("\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0C", 16);
  text.append(reinterpret_cast<const char*>(&reinterpret_cast<const sockaddr_in*>(address.get())->sin_addr),
              4);
  return text + std::string("\xC6\x33\x64\x01\xDC\x04\x1B\x39", 8);
}

// A connection whose first bytes are these, cut once where the dice say.
Connection& connect_behind(World& world, Run& run, std::int32_t id, const std::string& header) {
  const auto local = static_cast<std::uint16_t>(world.told(id, {})->port + 10'000);
  auto socket = world.simulation.connect_from_outside(*SocketAddress::parse("192.168.1.1", local));
  const std::size_t cut = run.dice.below(header.size() + 1);
  socket->write(header.substr(0, cut));
  if (run.dice.one_in(2)) world.run_for(milliseconds(run.dice.below(200)));
  socket->write(header.substr(cut));
  std::unique_ptr<Stream> stream = std::make_unique<SimStream>(*socket, world.client_side);
  if (world.options.client_tls) stream = with_client_tls(std::move(stream));
  world.connections.push_back(std::make_unique<Connection>(world.ledger, world.told_functions[0],
                                                           std::move(stream), run.dice.below(UINT64_MAX)));
  world.add(*world.connections.back());
  return *world.connections.back();
}

TEST_CASE("an address has so many connections, one more is closed a little later, and the others continue") {
  over_seeds("a limit of connections for an address", 2, [](Run& run) {
    auto world = started(run, run.dice.one_in(2),
                         [](config::Config& config) { listener_of(config).max_connections_per_address = 2; });
    const std::int32_t id = run.dice.of(world->options.ids);
    Connection& first = world->connect(id);
    Connection& second = world->connect(id);
    expect_answer(*world, run, first, id);
    expect_answer(*world, run, second, id);
    const Instant asked = world->now();
    expect_refusal(*world, world->connect(id));
    if (world->now() - asked < milliseconds(250)) world->ledger.violation("a refusal came at once");
    if (world->logged("address_limited") != 1 || closed(*world, CloseCause::refused_limit) != 1)
      world->ledger.violation("a refusal was not logged and counted");
    expect_answer(*world, run, first, id);
    second.close();
    world->run_for(seconds(2));
    expect_answer(*world, run, world->connect(id), id);
    world->stop();
    return world;
  });
}

TEST_CASE(
    "many refused connections are held, those beyond the bound are closed at once, and nothing is left") {
  over_seeds("many refused connections", 1, [](Run& run) {
    auto world = started(run, false, [&](config::Config& config) {
      config.limits.connections = 1;
      config.limits.refused_close_delay_ms = run.dice.one_in(2) ? 500 : 0;
    });
    const std::int32_t id = run.dice.of(world->options.ids);
    Connection& first = world->connect(id);
    expect_answer(*world, run, first, id);
    for (int i = 0; i < 20; ++i) world->connect(id);
    if (run.dice.one_in(2)) {
      world->run_for(milliseconds(run.dice.below(1'000)));
    } else {
      world->run(
          "every refusal", [&] { return closed(*world, CloseCause::refused_limit) == 20; }, seconds(5));
      expect_answer(*world, run, first, id);
    }
    world->stop();
    return world;
  });
}

TEST_CASE("a PROXY protocol header in any pieces names the client, before plaintext and before TLS") {
  over_seeds("PROXY protocol headers", 3, [](Run& run) {
    const bool required = run.dice.one_in(2);
    auto world = started(run, run.dice.one_in(2), [&](config::Config& config) {
      config::Listener& listener = listener_of(config);
      listener.proxy_protocol = required ? config::ProxyProtocol::required : config::ProxyProtocol::optional;
      listener.deny_from = {*AddressRange::parse("203.0.113.0/24")};
      listener.max_connections_per_address = 1;
    });
    const std::int32_t id = run.dice.of(world->options.ids);
    Connection& one = connect_behind(*world, run, id, header_of("192.0.2.7", run.dice.one_in(2)));
    expect_answer(*world, run, one, id);
    // Another client behind the same load balancer, and the same client again.
    expect_answer(*world, run, connect_behind(*world, run, id, header_of("192.0.2.8", run.dice.one_in(2))),
                  id);
    expect_refusal(*world, connect_behind(*world, run, id, header_of("192.0.2.7", run.dice.one_in(2))));
    expect_refusal(*world, connect_behind(*world, run, id, header_of("203.0.113.9", run.dice.one_in(2))));
    if (world->logged("address_limited") != 1 || world->logged("client_denied") != 1 ||
        closed(*world, CloseCause::refused_address) != 1)
      world->ledger.violation("refusals were not logged and counted");
    Connection& bare = world->connect(id);
    if (required) {
      bare.ask(some_request(run, id));
      expect_refusal(*world, bare);
      if (world->logged("proxy_header_missing") != 1)
        world->ledger.violation("a missing header was not logged");
    } else {
      expect_answer(*world, run, bare, id);
    }
    expect_answer(*world, run, one, id);
    world->stop();
    return world;
  });
}

TEST_CASE("a header that never ends, ends early or is malformed costs its connection alone") {
  over_seeds("unfinished PROXY protocol headers", 2, [](Run& run) {
    auto world = started(run, false, [&](config::Config& config) {
      listener_of(config).proxy_protocol = config::ProxyProtocol::required;
      config.limits.first_byte_timeout_ms = 2'000;
    });
    const std::int32_t id = run.dice.of(world->options.ids);
    const std::string whole = header_of("192.0.2.7", run.dice.one_in(2));
    const std::size_t cut = run.dice.below(whole.size());
    const auto local = static_cast<std::uint16_t>(world->told(id, {})->port + 10'000);
    auto socket = world->simulation.connect_from_outside(*SocketAddress::parse("192.168.1.1", local));
    socket->write(whole.substr(0, cut));
    if (run.dice.one_in(3)) socket->shutdown();
    if (run.dice.one_in(4)) socket->reset();
    expect_refusal(*world, connect_behind(*world, run, id, "PROXY TCP4 nonsense\r\n"));
    if (run.dice.one_in(4)) {
      world->drain(seconds(30));
      world->run("a drain", [&] { return world->drain_status().done(); }, seconds(10));
    } else {
      world->run("its end", [&] { return socket->closed() || socket->ended(); }, seconds(10));
      if (world->logged("proxy_header_malformed") != 1) world->ledger.violation("it was not logged");
      expect_answer(*world, run, connect_behind(*world, run, id, whole), id);
    }
    socket->close();
    world->stop();
    return world;
  });
}

TEST_CASE("listeners that share a socket let clients in by their own lists and limits") {
  over_seeds("SNI: who may connect", 2, [](Run& run) {
    auto world = started(
        run, true,
        [](config::Config& config) {
          std::vector<config::Listener>& listeners = config.clusters.front().listeners;
          listeners[0].max_connections = 1;
          listeners[0].max_connection_age_s = 100;
          listeners[1].deny_from = {*AddressRange::parse("0.0.0.0/0"), *AddressRange::parse("::/0")};
        },
        true);
    const std::int32_t id = run.dice.of(world->options.ids);
    const auto come = [&](std::size_t listener) -> Connection& {
      return world->connect_to(*world->told(id, {}, listener), listener);
    };
    Connection& first = come(0);
    expect_answer(*world, run, first, id);
    for (const std::size_t listener : {1U, 0U}) {
      Connection& refused = come(listener);
      refused.ask(some_request(run, id));
      expect_refusal(*world, refused);
    }
    world->run(
        "the causes of two refusals",
        [&] {
          return world->logged("client_denied") == 1 && closed(*world, CloseCause::refused_address) == 1 &&
                 world->logged("listener_limited") == 1 && closed(*world, CloseCause::refused_limit) == 1;
        },
        seconds(10));
    expect_answer(*world, run, first, id);
    world->run("its age", [&] { return first.state() != Connection::State::open; }, seconds(120));
    world->run_for(seconds(1));
    if (closed(*world, CloseCause::max_age) != 1)
      world->ledger.violation("the age was not counted as the cause");
    expect_answer(*world, run, come(0), id);
    world->stop();
    return world;
  });
}

TEST_CASE("a connection that reaches its age ends in order, after its answers") {
  over_seeds("the age of connections", 2, [](Run& run) {
    auto world = started(run, run.dice.one_in(2),
                         [](config::Config& config) { listener_of(config).max_connection_age_s = 10; });
    const std::int32_t id = run.dice.of(world->options.ids);
    Connection& connection = world->connect(id);
    const Instant began = world->now();
    if (run.dice.one_in(2)) expect_answer(*world, run, connection, id);
    while (connection.state() == Connection::State::open && world->now() - began < seconds(8))
      expect_answer(*world, run, connection, id);
    if (connection.state() != Connection::State::open)
      world->ledger.violation("a connection ended too early");
    for (int i = 0; i < 5; ++i) connection.ask(some_request(run, id));
    world->run("an end", [&] { return connection.state() != Connection::State::open; }, seconds(10));
    if (connection.state() != Connection::State::ended || connection.unanswered() > 0)
      world->ledger.violation(connection.text() + " was not ended in order");
    world->run_for(seconds(1));
    if (closed(*world, CloseCause::max_age) != 1)
      world->ledger.violation("the age was not counted as the cause");
    world->stop();
    return world;
  });
}

}  // namespace
}  // namespace kferry::simulation
