// A resolver for simulations. The test sets names, failures and delays, a seed decides the rest, and time is the
// simulation's. Nothing happens between calls: deliver() delivers what is due. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "net/resolver.h"

namespace kferry::net {

class SimulatedResolver final : public Resolver {
 public:
  // `now` is the simulation's clock (Ring::now of the simulated ring).
  SimulatedResolver(std::uint64_t seed, std::function<Instant()> now);

  // From now on `name` has these addresses. Their ports are those of the requests.
  void set(const std::string& name, const std::vector<SocketAddress>& addresses);
  // From now on asking for `name` fails. The answer has the last addresses, marked stale, if there were any and
  // `authoritative` is false.
  void fail(const std::string& name, const std::string& error, bool authoritative = false);
  // The delay of answers, uniformly distributed. Initially 0, so that answers are due in the next deliver().
  void set_delay(Duration shortest, Duration longest);
  // How many of a thousand requests fail as if by fail(), whatever the name. Initially 0.
  void set_failures(std::uint32_t per_mille);

  void resolve(std::uint64_t request, const HostPort& where, std::shared_ptr<AnswerQueue> queue) override;

  void doubt(const std::string&) override {}  // there is no cache

  // When the next answer is due; nullopt if none is pending.
  std::optional<Instant> next_due() const;
  // Delivers every answer due by now(), and returns how many.
  std::size_t deliver();
  // The number of requests for a name so far, including literals and unknown names.
  std::uint64_t requests(const std::string& name) const;

 private:
  struct Name {
    std::vector<SocketAddress> addresses;
    std::string error;   // empty if the name resolves
    bool known = false;  // an answer has contained these addresses
    bool authoritative = false;
    Instant learnt{};
    std::uint64_t requests = 0;
  };
  struct Pending {
    Answer answer;
    std::shared_ptr<AnswerQueue> queue;
  };

  Answer answer_for(std::uint64_t request, const HostPort& where, Name& name);

  std::mt19937_64 random_;
  std::function<Instant()> now_;
  std::map<std::string, Name> names_;
  std::multimap<Instant, Pending> pending_;
  Duration delay_shortest_{};
  Duration delay_longest_{};
  std::uint32_t failures_per_mille_ = 0;
};

}  // namespace kferry::net
