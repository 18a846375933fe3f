// What one exchange costs the proxy, counted: a whole worker with its sessions on a ring without a kernel
// (still_ring.h), one connection, one request in flight. Prints the compiler, then a line of JSON for each row: operations asked of
// the ring, turns of the worker, allocations, each per exchange; under callgrind dumps the instructions of each row
// under its name. guard.py runs it and compares.
//
//   guard ; valgrind --tool=callgrind --collect-atstart=no guard
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>

#include "base/assert.h"
#include "config/config.h"
#include "counted.h"
#include "frames.h"
#include "net/simulated_resolver.h"
#include "proxy/runtime.h"
#include "proxy/worker.h"
#include "still_ring.h"

[[gnu::noinline]] void* operator new(std::size_t size) {
  if (kferry::bench::counting) ++kferry::bench::allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace kferry::bench {
namespace {

constexpr std::int32_t node_id = 1;
constexpr std::uint16_t broker_port = 9092;
constexpr int warm_up = 20;
constexpr int exchanges = 200;

struct Row {
  const char* name;
  Frame request;
  Frame response;
  bool rewritten = false;   // the answer's size changes
  std::size_t brokers = 1;  // in the cluster
};

config::Config configuration() {
  config::Config config;
  config::Cluster& cluster = config.clusters.emplace_back();
  cluster.name = "guard";
  cluster.upstream.bootstrap_servers = {{broker_host(node_id), broker_port}};
  config::Listener& listener = cluster.listeners.emplace_back();
  listener.name = "external";
  listener.advertised_host = "gateway.example.com";
  listener.bind_address = "127.0.0.1";
  listener.min_broker_id = node_id;  // behind the first port
  for (std::uint16_t port = 6969; port < 6969 + 128; ++port) listener.ports.push_back({port, port});
  return config;
}

class ToStderr final : public LogSink {
 public:
  void write(const LogEvent& event) noexcept override {
    if (event.severity == Severity::info || event.severity == Severity::debug) return;
    std::fprintf(stderr, "guard: %s\n", event.text.c_str());
  }
};

// The proxy with one client's connection that has reached the broker of its port.
class Rig {
 public:
  // `brokers`: how many the cluster has.
  explicit Rig(std::size_t brokers)
      : ring_(256, 16 * KiB),
        resolver_(1, [this] { return ring_.now(); }),
        runtime_(proxy::Plan::make(configuration()), log_) {
    resolver_.set(broker_host(node_id), {SocketAddress::parse("127.0.0.1", 0).value()});
    runtime_.workers.push_back(std::make_unique<proxy::WorkerLink>());
    runtime_.workers.back()->mailbox = ring_.mailbox();
    runtime_.workers.back()->ring = &ring_;
    worker_ = std::make_unique<proxy::Worker>(runtime_, 0, ring_, resolver_, 1);
    if (const auto problem = worker_->listen()) give_up(*problem);
    client_ = ring_.arrive();
    settle();
    // The Metadata of a bootstrap server names it: the stand-in for node 1 has been node 1 all along.
    exchange(api_versions_request(4), api_versions_response(4));
    exchange(metadata_request(), metadata_response(brokers));
  }
  ~Rig() { std::fflush(nullptr); }

  // One request and its answer. Returns what reached the client.
  std::uint64_t exchange(const Frame& request, const Frame& response) {
    ring_.put(client_, request);
    settle();
    const ring::Socket broker = ring_.dialled();
    if (ring_.taken(broker) - asked_ != request.size()) give_up("a request did not reach the broker whole");
    asked_ += request.size();
    const std::uint64_t before = ring_.taken(client_);
    ring_.put(broker, response);
    settle();
    return ring_.taken(client_) - before;
  }

  void run(const Row& row) {
    for (int i = 0; i < warm_up; ++i) exchange(row.request, row.response);
    CALLGRIND_ZERO_STATS;
    const auto before = ring_.counts();
    allocations = 0;
    for (int i = 0; i < exchanges; ++i) {
      const std::uint64_t got = exchange(row.request, row.response);
      if (got == 0 || (!row.rewritten && got != row.response.size())) give_up("an answer was cut");
    }
    const auto after = ring_.counts();
    CALLGRIND_DUMP_STATS_AT(row.name);
    const auto each = [](std::uint64_t sum) { return static_cast<double>(sum) / exchanges; };
    std::printf(
        "{\"row\": \"%s\", \"exchanges\": %d, \"operations\": %.3f, \"turns\": %.3f, \"allocations\": "
        "%.3f}\n",
        row.name, exchanges, each(after.operations - before.operations), each(after.waits - before.waits),
        each(allocations));
  }

 private:
  [[noreturn]] static void give_up(const std::string& why) {
    std::fprintf(stderr, "guard: %s\n", why.c_str());
    std::exit(1);
  }

  // Until nothing is left to do.
  void settle() {
    for (int turns = 0; resolver_.deliver() > 0 || ring_.due(); ++turns) {
      if (turns > 100'000) give_up("the worker does not come to rest");
      const Counted counted;
      worker_->turn();
    }
  }

  ToStderr log_;
  StillRing ring_;
  net::SimulatedResolver resolver_;
  proxy::Runtime runtime_;
  std::unique_ptr<proxy::Worker> worker_;
  ring::Socket client_ = ring::Socket::none;
  std::uint64_t asked_ = 0;
};

std::vector<Row> rows() {
  return {
      {"small, OffsetFetch 7", offset_fetch_request(), offset_fetch_response()},
      {"Fetch 15, 16 KiB, opaque", fetch_request(15, 16 * KiB, 1), fetch_response(15, 16 * KiB, 1)},
      {"Fetch 15, 1 MiB, opaque", fetch_request(15, MiB, 1), fetch_response(15, MiB, 1)},
      {"Fetch 17, 16 KiB", fetch_request(17, 16 * KiB, 1), fetch_response(17, 16 * KiB, 1)},
      {"Fetch 17, 256 KiB of 10 partitions", fetch_request(17, 256 * KiB, 10),
       fetch_response(17, 256 * KiB, 10)},
      {"Fetch 17, 1 MiB", fetch_request(17, MiB, 1), fetch_response(17, MiB, 1)},
      {"Produce 9, 16 KiB, opaque", produce_request(9, 16 * KiB), produce_response(9)},
      {"Produce 10, 256 KiB", produce_request(10, 256 * KiB), produce_response(10)},
      {"Metadata 12, 3 brokers", metadata_request(), metadata_response(3), true, 3},
      {"Metadata 12, 100 brokers", metadata_request(), metadata_response(100), true, 100},
      {"ApiVersions 4", api_versions_request(4), api_versions_response(4), true},
  };
}

}  // namespace
}  // namespace kferry::bench

int main() {
  using namespace kferry::bench;
  std::puts("{\"compiler\": \"" __VERSION__ "\"}");
  for (const Row& row : rows()) {
    static Rig* rig = nullptr;
    rig = new Rig(row.brokers);  // never ends: ending a worker is not what is counted here
    rig->run(row);
  }
  std::fflush(stdout);
  std::_Exit(0);
}
