// Runs an UpstreamProbe for each cluster of the plan in force, on a thread and a ring of its own: what it finds does
// not depend on a worker that is busy or stuck, and costs no worker a turn.
//
// Once a second it looks for upstreams that were doubted and for places that the loop guard suspects, and follows a
// move to another plan.
#pragma once

#include <atomic>
#include <expected>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "net/resolver.h"
#include "proxy/runtime.h"
#include "ring/backend.h"

namespace kferry::proxy {

class Prober {
 public:
  // Begins to ask. The arguments outlive it. The error names what the host lacks.
  static std::expected<std::unique_ptr<Prober>, std::string> start(Runtime& runtime, net::Resolver& resolver,
                                                                   ring::Backend backend);
  // Ends every connection and the thread.
  ~Prober();
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;

 private:
  class Loop;
  Prober() = default;

  std::atomic<bool> stop_ = false;
  std::promise<void> finish_;   // the thread's ring may go
  ring::Ring* ring_ = nullptr;  // of the thread, for wake() only; null: it has none
  std::thread thread_;
};

}  // namespace kferry::proxy
