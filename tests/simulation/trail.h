// Adds up the audit records of a run, by listener, so that they can be compared with what was counted.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "base/audit_sink.h"
#include "ledger.h"
#include "proxy/figures.h"

namespace kferry::simulation {

class Trail final : public AuditSink {
 public:
  explicit Trail(Ledger& ledger) : ledger_(ledger) {}
  void write(const AuditRecord& record) noexcept override;
  // Every connection has ended: its last record agrees with the counters, and each has one.
  void expect(const proxy::Figures& figures) const;

 private:
  struct Sums {
    std::uint64_t ends = 0;
    std::uint64_t to_broker = 0;
    std::uint64_t to_client = 0;
    std::uint64_t requests = 0;
    std::uint64_t accepted = 0;  // SASL authentications
    std::uint64_t refused = 0;
    std::map<CloseCause, std::uint64_t> causes{};
  };

  Ledger& ledger_;
  std::map<std::pair<std::string, std::string>, Sums> sums_;  // by cluster and listener
  std::map<SessionId, std::uint64_t> ends_;
};

}  // namespace kferry::simulation
