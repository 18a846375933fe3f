#include "proxy/server.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/start_thread.h"
#include "proxy/prober.h"
#include "proxy/runtime.h"
#include "proxy/worker.h"
#include "ring/backend.h"
#include "ring/congestion_control.h"

namespace kferry::proxy {

namespace {

// Those this process may run on; empty where that is not told.
std::vector<std::size_t> cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<std::size_t> found;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return found;
  for (std::size_t core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &set)) found.push_back(core);
  return found;
}

// The calling thread. 0 or an errno.
int pin_to(std::size_t core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  return sched_setaffinity(0, sizeof set, &set) == 0 ? 0 : errno;
}

// What one thread tells the starter, and waits to be told.
struct Start {
  bool has_ring = false;                                      // the starter's own note
  std::promise<std::expected<void, std::string>> ring_ready;  // its ring exists; its link is filled
  std::promise<std::expected<void, std::string>> listening;   // the first worker only
  std::promise<void> ended;                                   // its worker is gone, its ring is not
  std::promise<void> finish;                                  // every worker is gone: the ring may go
};

}  // namespace

std::uint32_t usable_cores() {
  return static_cast<std::uint32_t>(std::max<std::size_t>(1, cores().size()));
}

struct Server::Impl {
  Impl(std::shared_ptr<const Plan> plan, net::Resolver& resolver_, LogSink& log,
       std::shared_ptr<const certificates::TlsContexts> tls)
      : engine(plan->config().engine), runtime(std::move(plan), log, std::move(tls)), resolver(resolver_) {
    runtime.own_places = std::make_unique<OwnPlaces>(resolver, runtime.moves.current()->plan->advertised());
  }

  void run(std::size_t index, Start& start, std::shared_future<bool> all_ready);

  void choose_backend();
  void choose_congestion_control();
  void pin(std::size_t index);
  std::string explain(const std::string& ring_error) const;

  const config::Engine engine;  // of the first plan; those of later ones change nothing
  Runtime runtime;
  net::Resolver& resolver;
  ring::Backend backend = ring::Backend::io_uring;
  std::string congestion_control;  // empty: the host's
  std::string uring_refusal;       // where epoll serves for lack of io_uring
  std::vector<std::unique_ptr<Start>> starts;
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<std::thread> threads;
  std::unique_ptr<Prober> prober;
  bool started = false;  // every ring was made, so every worker turns until it is stopped
  mutable std::mutex observing;
  bool listening = false;  // with `observing`: the rings exist, and the listeners accept
};

// Once for all workers: rings of one kind alone send each other messages.
void Server::Impl::choose_backend() {
  switch (engine.backend) {
    case config::Backend::io_uring:
      backend = ring::Backend::io_uring;
      return;
    case config::Backend::epoll:
      backend = ring::Backend::epoll;
      return;
    case config::Backend::automatic: {
      ring::Choice choice = ring::choose_backend();
      backend = choice.backend;
      uring_refusal = std::move(choice.refusal);
    }
  }
}

void Server::Impl::choose_congestion_control() {
  const std::string& wanted = engine.congestion_control;
  if (wanted.empty()) return;
  const std::string refused = ring::congestion_control_refusal(wanted);
  if (refused.empty()) {
    congestion_control = wanted;
    return;
  }
  runtime.log.write({Severity::warning, "congestion_control_refused", wanted,
                     "the host's congestion control is used, since the kernel refuses " + wanted + ": " +
                         refused + ", and restart kferry"});
}

// Failure is not fatal: the worker serves on any core.
void Server::Impl::pin(std::size_t index) {
  const std::vector<std::size_t> usable = cores();
  const int error = usable.empty() ? EPERM : pin_to(usable[index % usable.size()]);
  if (error != 0)
    runtime.log.write(
        {Severity::warning, "worker_not_pinned", "worker " + std::to_string(index),
         std::string("a worker is not kept on a core: ") + std::strerror(error) +
             ": allow sched_setaffinity in the container's seccomp profile, or set pin_workers = \"off\" "
             "in [engine]"});
}

// Why a worker has no ring.
std::string Server::Impl::explain(const std::string& ring_error) const {
  if (!uring_refusal.empty())
    return "neither io_uring nor epoll can be used: " + uring_refusal + "; epoll: " + ring_error;
  if (engine.backend == config::Backend::io_uring)
    return ring_error + "; with backend = \"auto\" in [engine] epoll serves meanwhile";
  return ring_error;
}

void Server::Impl::run(std::size_t index, Start& start, std::shared_future<bool> all_ready) {
  pthread_setname_np(pthread_self(), ("worker " + std::to_string(index)).c_str());
  // The ring belongs to this thread: it is made and unmade here.
  if (engine.pin_workers) pin(index);
  auto ring = ring::make_ring(backend, {engine.receive_buffers, engine.receive_buffer_size_bytes},
                              congestion_control);
  if (!ring) {
    start.ring_ready.set_value(std::unexpected(ring.error()));
    return;
  }
  WorkerLink& link = *runtime.workers[index];
  link.mailbox = (*ring)->mailbox();
  link.ring = ring->get();
  std::random_device random;
  const std::uint64_t seed = (std::uint64_t{random()} << 32U) | random();
  workers[index] = std::make_unique<Worker>(runtime, index, **ring, resolver, seed);
  Worker& worker = *workers[index];
  start.ring_ready.set_value({});
  if (all_ready.get()) {
    if (index == 0) {
      if (auto error = worker.listen()) {
        start.listening.set_value(std::unexpected(*error));
      } else {
        start.listening.set_value({});
        worker.discover();
      }
    }
    while (!worker.stopped()) worker.turn();
  }
  workers[index].reset();
  start.ended.set_value();
  // Others may still wake this ring or have a message on the way: it stays until all have ended.
  start.finish.get_future().wait();
}

Server::Server(std::shared_ptr<const Plan> plan, net::Resolver& resolver, LogSink& log,
               std::shared_ptr<const certificates::TlsContexts> tls)
    : impl_(std::make_unique<Impl>(std::move(plan), resolver, log, std::move(tls))) {}

Server::~Server() {
  stop();
}

std::size_t Server::worker_count() const {
  return impl_->threads.size();
}

std::string_view Server::backend() const {
  return ring::to_string(impl_->backend);
}

void Server::audit_to(AuditSink& sink) {
  impl_->runtime.audit = &sink;
}

void Server::restore(const std::vector<ClusterMemory>& memories) {
  KFERRY_ASSERT(!impl_->started);
  proxy::restore(impl_->runtime, memories, monotonic_now());
}

std::vector<ClusterMemory> Server::memories() const {
  return memories_of(impl_->runtime);
}

std::expected<std::vector<int>, int> Server::listening_sockets() const {
  return impl_->runtime.listening.duplicates();
}

std::expected<void, std::string> Server::start(HandedSockets* handed) {
  impl_->runtime.handed = handed;
  const std::uint32_t asked = impl_->engine.workers;
  const std::size_t count = asked > 0 ? asked : usable_cores();
  for (std::size_t i = 0; i < count; ++i) {
    impl_->runtime.workers.push_back(std::make_unique<WorkerLink>());
    impl_->starts.push_back(std::make_unique<Start>());
    impl_->workers.emplace_back();
  }
  impl_->choose_backend();
  impl_->choose_congestion_control();
  std::promise<bool> all_ready;
  const std::shared_future<bool> ready(all_ready.get_future());
  std::expected<void, std::string> result;
  std::string no_thread;
  for (std::size_t i = 0; i < count && no_thread.empty(); ++i) {
    auto thread = start_thread([this, i, ready] { impl_->run(i, *impl_->starts[i], ready); });
    if (thread)
      impl_->threads.push_back(std::move(*thread));
    else
      no_thread = std::move(thread.error());
  }
  for (std::size_t i = 0; i < impl_->threads.size(); ++i) {
    auto made = impl_->starts[i]->ring_ready.get_future().get();
    impl_->starts[i]->has_ring = made.has_value();
    if (!made && result) result = std::move(made);
  }
  if (!no_thread.empty())
    result = std::unexpected(no_thread + ", or set workers to less in [engine]");
  else if (!result)
    result = std::unexpected(impl_->explain(result.error()));
  else if (!impl_->uring_refusal.empty())
    impl_->runtime.log.write(
        {Severity::warning, "io_uring_refused", "",
         "epoll serves in place of io_uring, at more CPU per request: " + impl_->uring_refusal +
             "; with backend = \"epoll\" in [engine] it is not warned of"});
  if (result) {
    auto prober = Prober::start(impl_->runtime, impl_->resolver, impl_->backend);
    if (prober) {
      impl_->prober = std::move(*prober);
    } else {
      result = std::unexpected("the brokers cannot be asked: " + prober.error());
    }
  }
  impl_->started = result.has_value();
  all_ready.set_value(impl_->started);
  if (result) result = impl_->starts.front()->listening.get_future().get();
  if (!result) stop();
  const std::lock_guard lock(impl_->observing);
  impl_->listening = result.has_value();
  return result;
}

std::future<PlanMoves::Outcome> Server::propose(std::shared_ptr<const Plan> plan,
                                                std::shared_ptr<const certificates::TlsContexts> tls) {
  KFERRY_ASSERT(impl_->started);
  return impl_->runtime.moves.propose({std::move(plan), std::move(tls)});
}

bool Server::withdraw_proposal(std::string why) {
  return impl_->runtime.moves.withdraw(std::move(why));
}

void Server::drain(DrainOrders::Begun begun) {
  KFERRY_ASSERT(impl_->started);
  impl_->runtime.drain.begin(begun);
}

config::Limits Server::limits() const {
  return impl_->runtime.moves.current()->plan->config().limits;
}

ServerStatus Server::status() const {
  const std::lock_guard lock(impl_->observing);
  return impl_->listening ? status_of(impl_->runtime) : ServerStatus{};
}

Figures Server::figures() const {
  const std::lock_guard lock(impl_->observing);
  return impl_->listening ? figures_of(impl_->runtime, monotonic_now()) : Figures{};
}

void Server::wake_workers() {
  const std::lock_guard lock(impl_->observing);
  if (!impl_->listening) return;
  for (const auto& worker : impl_->runtime.workers) worker->ring->wake();
}

void Server::stop() {
  impl_->prober.reset();
  if (impl_->threads.empty()) return;
  {
    const std::lock_guard lock(impl_->observing);
    impl_->listening = false;
  }
  // The acceptor first, so that no connection is handed to a worker that has ended.
  for (std::size_t i = 0; i < impl_->threads.size(); ++i) {
    if (impl_->started) impl_->workers[i]->stop();
    if (impl_->starts[i]->has_ring) impl_->starts[i]->ended.get_future().wait();
  }
  for (const auto& start : impl_->starts) start->finish.set_value();
  for (std::thread& thread : impl_->threads) thread.join();
  impl_->threads.clear();
}

}  // namespace kferry::proxy
