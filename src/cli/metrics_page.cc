#include "cli/metrics_page.h"

#include <array>
#include <chrono>
#include <utility>

#include "cli/commit.h"

namespace kferry::cli {
namespace {

using operations::HealthCode;
using operations::HistogramSample;
using operations::Metric;
using operations::MetricsPage;

constexpr double ns_per_s = 1e9;

const std::array<double, proxy::DurationCounter::bounds.size()> bounds_s = [] {
  std::array<double, proxy::DurationCounter::bounds.size()> bounds{};
  for (std::size_t i = 0; i < bounds.size(); ++i)
    bounds[i] = static_cast<double>(proxy::DurationCounter::bounds[i].count()) / ns_per_s;
  return bounds;
}();

constexpr std::array<std::string_view, proxy::request_parts> part_names = {"kferry", "broker", "client"};

double real(std::uint64_t count) {
  return static_cast<double>(count);
}

HistogramSample sample_of(const proxy::DurationFigures& durations) {
  return {bounds_s, durations.counts, real(durations.sum_ns) / ns_per_s};
}

void add_listener(MetricsPage& page, const std::string& cluster, const std::string& name,
                  const proxy::ListenerFigures& listener) {
  page.add(Metric::connections, {cluster, name}, real(listener.accepted));
  page.add(Metric::probes, {cluster, name}, real(listener.probes));
  page.add(Metric::requests_in_flight, {cluster, name}, real(listener.in_flight()));
  page.add(Metric::requests_unanswered, {cluster, name}, real(listener.unanswered));
  for (std::size_t cause = 0; cause < close_causes; ++cause)
    page.add(Metric::connections_closed, {cluster, name, close_cause_names[cause]},
             real(listener.closed[cause]));
  for (const auto& [node, counts] : listener.nodes) {
    page.add(Metric::connections_active, {cluster, name, node}, real(counts.active));
    page.add(Metric::bytes, {cluster, name, node, "to_broker"}, real(counts.to_broker));
    page.add(Metric::bytes, {cluster, name, node, "to_client"}, real(counts.to_client));
  }
  for (const auto& [request, count] : listener.requests)
    page.add(Metric::requests,
             {cluster, name, proxy::counted_api_name(request.first), std::to_string(request.second)},
             real(count));
  for (std::size_t api = 0; api < proxy::timed_api_count; ++api)
    for (std::size_t part = 0; part < proxy::request_parts; ++part)
      if (const auto& durations = listener.durations[api][part]; durations.total() > 0)
        page.add(Metric::request_duration, {cluster, name, proxy::timed_api_name(api), part_names[part]},
                 sample_of(durations));
  using proxy::Authentication;
  for (std::size_t mechanism = 0; mechanism < Authentication::mechanisms.size(); ++mechanism)
    for (std::size_t outcome = 0; outcome < Authentication::outcomes; ++outcome)
      if (const std::uint64_t count = listener.authentications[mechanism][outcome]; count > 0)
        page.add(
            Metric::authentications,
            {cluster, name, Authentication::mechanisms[mechanism], Authentication::outcome_names[outcome]},
            real(count));
  if (!listener.ports) return;
  page.add(Metric::ports, {cluster, name, "used"}, real(listener.ports->used));
  page.add(Metric::ports, {cluster, name, "free"}, real(listener.ports->free));
  page.add(Metric::ports, {cluster, name, "clashing"}, real(listener.ports->clashing));
}

void add_cluster(MetricsPage& page, const std::string& name, const proxy::ClusterFigures& cluster) {
  for (const auto& [dial, count] : cluster.dials)
    page.add(Metric::dials,
             {name, dial.first, proxy::dial_outcome_names[static_cast<std::size_t>(dial.second)]},
             real(count));
  if (cluster.dial_duration.total() > 0)
    page.add(Metric::dial_duration, {name}, sample_of(cluster.dial_duration));
  if (cluster.topology_age)
    page.add(Metric::topology_age, {name}, std::chrono::duration<double>(*cluster.topology_age).count());
}

void add_tls(MetricsPage& page, const proxy::Figures& figures) {
  using Handshakes = proxy::HandshakeCounters;
  for (const auto& [what, count] : figures.handshakes) {
    const auto& [side, version, outcome, resumed] = what;
    page.add(Metric::tls_handshakes,
             {Handshakes::side_names[side], Handshakes::version_names[version], resumed ? "yes" : "no",
              Handshakes::outcome_names[outcome]},
             real(count));
  }
  for (std::size_t side = 0; side < Handshakes::sides; ++side) {
    page.add(Metric::ktls_connections, {Handshakes::side_names[side], "receive"},
             real(figures.kernel_receives[side]));
    page.add(Metric::ktls_connections, {Handshakes::side_names[side], "send"},
             real(figures.kernel_sends[side]));
  }
}

void add_certificates(MetricsPage& page, const proxy::ServerStatus& status) {
  if (status.tls == nullptr) return;
  for (const certificates::TlsCondition& part : *status.tls->conditions())
    if (part.not_after_s)
      page.add(Metric::certificate_not_after, {part.cluster, part.listener.value_or(""), "key_store"},
               static_cast<double>(*part.not_after_s));
}

void add_counts(MetricsPage& page, const proxy::Figures& figures) {
  std::uint64_t stand_ins = 0;
  for (const auto& [names, listener] : figures.listeners) {
    add_listener(page, names.first, names.second, listener);
    if (const auto node = listener.nodes.find("stand_in"); node != listener.nodes.end())
      stand_ins += node->second.active;
  }
  for (const auto& [name, cluster] : figures.clusters) add_cluster(page, name, cluster);
  page.add(Metric::stand_ins_active, {}, real(stand_ins));
  page.add(Metric::spliced_bytes, {"to_broker"}, real(figures.spliced_to_broker));
  page.add(Metric::spliced_bytes, {"to_client"}, real(figures.spliced_to_client));
  for (std::size_t api = 0; api < proxy::counted_apis; ++api) {
    const std::string_view name = proxy::counted_api_name(api);
    if (figures.rewrites[api] > 0) page.add(Metric::rewrites, {name}, real(figures.rewrites[api]));
    if (figures.withheld[api] > 0) page.add(Metric::addresses_withheld, {name}, real(figures.withheld[api]));
  }
  page.add(Metric::receive_buffers, {"free"}, real(figures.buffers_free));
  page.add(Metric::receive_buffers, {"in_use"}, real(figures.buffers_in_use));
  page.add(Metric::held_bytes, {}, real(figures.held_bytes));
}

}  // namespace

MetricsPage metrics_page(const MetricsSources& sources) {
  MetricsPage page;
  const proxy::ServerStatus& status = sources.status;
  page.add(Metric::build_info, {KFERRY_VERSION, KFERRY_COMMIT, KFERRY_WOLFSSL_VERSION, sources.backend}, 1);
  for (std::size_t i = 0; i < status.workers.size(); ++i)
    page.add(Metric::worker_turns, {std::to_string(i)}, real(status.workers[i].turns));
  for (const proxy::ClusterStatus& cluster : status.clusters) {
    page.add(Metric::brokers, {cluster.name, "listed"}, real(cluster.listed));
    page.add(Metric::brokers, {cluster.name, "unlisted"}, real(cluster.unlisted));
    page.add(Metric::brokers, {cluster.name, "provisional"}, real(cluster.provisional));
  }
  if (status.listening) {
    add_counts(page, sources.figures);
    add_tls(page, sources.figures);
    add_certificates(page, status);
  }
  for (const HealthCode code : operations::health_codes)
    page.add(Metric::degraded, {to_string(code)}, sources.degraded.contains(code) ? 1 : 0);
  page.add(Metric::draining, {}, sources.draining ? 1 : 0);
  page.add(Metric::reloads, {"applied"}, static_cast<double>(sources.reloads.applied));
  page.add(Metric::reloads, {"unchanged"}, static_cast<double>(sources.reloads.unchanged));
  page.add(Metric::reloads, {"refused"}, static_cast<double>(sources.reloads.refused));
  page.add(Metric::last_reload_success, {}, static_cast<double>(sources.reloads.succeeded_at_s));
  page.add(Metric::config_hash_info, {sources.reloads.hash}, 1);
  if (const auto& audit = sources.lines.audit) {
    page.add(Metric::audit_records, {audit->sink}, real(audit->records));
    page.add(Metric::audit_dropped, {audit->sink}, real(audit->dropped));
  }
  page.add(Metric::log_dropped, {}, real(sources.lines.log_dropped));
  operations::add_process_metrics(page);
  return page;
}

}  // namespace kferry::cli
