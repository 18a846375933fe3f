// The answer to "is this kferry healthy?": what was observed, turned into a status, its reasons, and the verdict of
// each health path. Pure: every call passes the time.
//
//   path             200 while                                                    for
//   /health/live     every worker has answered a question within 5 s              liveness probes
//   /health/serving  the listeners accept                                         Kubernetes' readiness probes
//   /health/ready    the listeners accept, and a bootstrap server of any cluster  outer load balancers
//                    has answered or 30 s have passed since the start, and
//                    kferry does not drain
//   /health          as /health/ready
//
// Everywhere else the verdict is 503. Every path gives the same body:
//
//   {"status":"degraded","reasons":[{"code":"upstream_unreachable","cluster":"orders","since":"2026-11-29T09:46:34Z"}]}
//
// "starting" and "draining" are those of /health/ready; then "degraded" if there is any reason, else "ready". A
// degraded kferry serves what it can, so that it is ready: a reason is for a person or an alert, not for a balancer.
#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace kferry::operations {

// Why kferry is degraded. The codes are an interface: docs/operations.md lists them.
enum class HealthCode : std::uint8_t {
  upstream_unreachable,      // no bootstrap server of the cluster answers
  port_clash,                // a listener has no port for some broker
  certificate_expiring,      // a certificate of kferry's own ends within a week, or has ended
  certificate_unusable,      // a listener or an upstream cannot use its certificates
  certificate_not_reloaded,  // files have changed to what cannot be used; what was read before serves
  worker_stuck,              // a worker has not answered for worker_patience
  reload_failed,             // the configuration that was read last is refused; the one before is in force
};
inline constexpr std::array health_codes{HealthCode::upstream_unreachable,
                                         HealthCode::port_clash,
                                         HealthCode::certificate_expiring,
                                         HealthCode::certificate_unusable,
                                         HealthCode::certificate_not_reloaded,
                                         HealthCode::worker_stuck,
                                         HealthCode::reload_failed};
std::string_view to_string(HealthCode code);

struct HealthCause {
  HealthCode code{};
  std::string cluster{};   // empty: the whole process
  std::string listener{};  // empty: not about one listener

  friend auto operator<=>(const HealthCause&, const HealthCause&) = default;
};

// What was seen at one moment.
struct HealthObservation {
  bool listening = false;          // every listener is bound and accepts
  bool draining = false;           // clients are asked to leave
  bool upstream_answered = false;  // a bootstrap server has answered, once
  std::vector<std::uint64_t>
      worker_turns{};                 // by worker: how often it has turned; empty: there are no workers yet
  std::vector<HealthCause> causes{};  // in any order
};

enum class HealthPath : std::uint8_t { live, serving, ready };
std::optional<HealthPath> health_path(std::string_view path);

struct HealthAnswer {
  bool well = false;
  std::string body;  // JSON, with a final LF
};

// Thread-safe.
class Health {
 public:
  using WallTime = std::chrono::system_clock::time_point;

  static constexpr Duration question_interval = std::chrono::seconds(2);
  static constexpr Duration worker_patience = std::chrono::seconds(5);
  static constexpr Duration upstream_patience = std::chrono::seconds(30);

  explicit Health(Instant started) : started_(started) {}

  // Takes over what is seen now. True: it is time to ask the workers, who answer by a turn. To be called at least once
  // in question_interval.
  bool observe(const HealthObservation& seen, Instant now, WallTime wall);
  HealthAnswer answer(HealthPath path, Instant now) const;
  // The status, and the reasons in words: "degraded: upstream_unreachable (orders), port_clash (a/external)".
  std::string summary(Instant now) const;
  // The codes of the reasons that an answer gives now.
  std::set<HealthCode> codes() const;

 private:
  // A question to a worker that has not been answered.
  struct Question {
    std::uint64_t turns = 0;  // of the worker when it was asked
    Instant at{};
  };

  bool stuck(const std::optional<Question>& question, Instant now) const {
    return question && now - question->at >= worker_patience;
  }
  bool starting(Instant now) const;
  std::string_view status(Instant now) const;

  const Instant started_;
  mutable std::mutex mutex_;
  HealthObservation seen_;
  std::map<HealthCause, WallTime> since_;
  std::vector<std::optional<Question>> questions_;  // by worker
  std::optional<Instant> asked_at_;
};

}  // namespace kferry::operations
