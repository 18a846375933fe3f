// See trail.h.
#include "trail.h"

#include <numeric>

#include "operations/audit_line.h"

namespace kferry::simulation {

void Trail::write(const AuditRecord& record) noexcept {
  for (const auto format : {operations::AuditFormat::json, operations::AuditFormat::ocsf}) {
    const std::string line = operations::audit_line(record, std::chrono::system_clock::time_point{}, format);
    if (line.size() > operations::audit_line_size_max) ledger_.violation("an audit record is too long");
  }
  if (ends_[record.session] > 0) ledger_.violation("a session has an audit record after its end");
  Sums& sums = sums_[{std::string(record.cluster), std::string(record.listener)}];
  if (record.event != AuditRecord::Event::end) {
    if (record.mechanism == "TLS" || record.mechanism == "NONE") return;
    if (record.outcome == AuditRecord::Outcome::accepted) ++sums.accepted;
    if (record.outcome == AuditRecord::Outcome::refused) ++sums.refused;
    return;
  }
  ++ends_[record.session];
  ++sums.ends;
  ++sums.causes[record.cause];
  sums.to_broker += record.traffic.bytes_to_broker;
  sums.to_client += record.traffic.bytes_to_client;
  for (const auto& [api, count] : record.traffic.requests) sums.requests += count;
}

void Trail::expect(const proxy::Figures& figures) const {
  for (const auto& [names, listener] : figures.listeners) {
    const auto found = sums_.find(names);
    const Sums sums = found == sums_.end() ? Sums{} : found->second;
    const auto agree = [&](std::uint64_t audited, std::uint64_t counted, const std::string& what) {
      if (audited != counted)
        ledger_.violation("audit of listener " + names.second + ": " + std::to_string(audited) + " " + what +
                          ", " + std::to_string(counted) + " counted");
    };
    agree(sums.ends, listener.closed_in_all(), "ends");
    std::uint64_t to_broker = 0;
    std::uint64_t to_client = 0;
    for (const auto& [name, node] : listener.nodes) {
      to_broker += node.to_broker;
      to_client += node.to_client;
    }
    agree(sums.to_broker, to_broker, "bytes to brokers");
    agree(sums.to_client, to_client, "bytes to clients");
    const std::uint64_t requests =
        std::accumulate(listener.requests.begin(), listener.requests.end(), std::uint64_t{0},
                        [](std::uint64_t sum, const auto& entry) { return sum + entry.second; });
    agree(sums.requests, requests, "requests");
    using Outcome = proxy::Authentication::Outcome;
    std::uint64_t accepted = 0;
    std::uint64_t refused = 0;
    for (const auto& counts : listener.authentications) {
      accepted += counts[static_cast<std::size_t>(Outcome::accepted)];
      refused += counts[static_cast<std::size_t>(Outcome::refused)];
    }
    agree(sums.accepted, accepted, "accepted authentications");
    agree(sums.refused, refused, "refused authentications");
    for (std::size_t cause = 0; cause < close_causes; ++cause) {
      const auto of = sums.causes.find(static_cast<CloseCause>(cause));
      agree(of == sums.causes.end() ? 0 : of->second, listener.closed[cause],
            "ends by " + std::string(close_cause_names[cause]));
    }
  }
}

}  // namespace kferry::simulation
