// A resolver for simulation: names, failures and delays are the test's, randomness is from a seed, and time
// is the simulation's. Nothing happens in between calls: deliver() hands over what is due. One thread.
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

  // From here on `name` has these addresses (ports are the requests').
  void set(const std::string& name, const std::vector<SocketAddress>& addresses);
  // From here on asking for `name` fails: with its last addresses, stale, if it ever had any and
  // `authoritative` is false; without any else.
  void fail(const std::string& name, const std::string& error, bool authoritative = false);
  // Answers take between these, evenly; 0 and 0 at first: due at once, yet only in deliver().
  void set_delay(Duration shortest, Duration longest);
  // One request in a thousand times `per_mille` fails as if by fail(), whatever the name. 0 at first.
  void set_failures(std::uint32_t per_mille);

  void resolve(std::uint64_t request, const HostPort& where, std::shared_ptr<AnswerQueue> queue) override;

  // When the next answer is due; nullopt when none is pending.
  std::optional<Instant> next_due() const;
  // Hands over every answer due by now(); returns how many.
  std::size_t deliver();
  // Requests made for a name so far, literals and unknown names too.
  std::uint64_t requests(const std::string& name) const;

 private:
  struct Name {
    std::vector<SocketAddress> addresses;
    std::string error;   // empty: resolves
    bool known = false;  // an answer with these addresses was given
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
