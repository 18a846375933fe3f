#include "certificates/tls_contexts.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "certificates/tls_part.h"
#include "certificates/tls_settings.h"
#include "tls/ticket_keys.h"

namespace kferry::certificates {

using config::Problem;

Usable<tls::ServerContext> TlsSnapshot::listener(std::string_view cluster, std::string_view listener) const {
  const auto found = clusters.find(cluster);
  if (found == clusters.end()) return {};
  const auto usable = found->second.listeners.find(listener);
  return usable == found->second.listeners.end() ? Usable<tls::ServerContext>{} : usable->second;
}

Usable<tls::ClientContext> TlsSnapshot::upstream(std::string_view cluster) const {
  const auto found = clusters.find(cluster);
  return found == clusters.end() ? Usable<tls::ClientContext>{} : found->second.upstream;
}

TlsContexts::TlsContexts(std::shared_ptr<const config::Config> config, LogSink& log, Instant now,
                         WallClock wall_clock, const TlsContexts* former)
    : log_(log),
      config_(std::move(config)),
      tickets_(former != nullptr ? former->tickets_ : std::make_shared<tls::TicketKeys>(now)) {
  auto first = std::make_shared<TlsSnapshot>();
  const auto watch_path = [&](const std::string& path) {
    if (!path.empty() && std::ranges::find(files_, path) == files_.end()) files_.push_back(path);
  };
  const auto watch = [&](const config::Store* store) {
    if (store == nullptr) return;
    watch_path(store->path);
    if (store->password) watch_path(store->password->path);
  };
  const auto watch_identity = [&](const config::Identity& identity) {
    watch(&identity.certificates);
    watch(pointer(identity.key));
    if (identity.key_password) watch_path(identity.key_password->path);
  };
  for (const config::Cluster& cluster : config_->clusters) {
    ClusterTls& contexts = first->clusters[cluster.name];
    for (const config::Listener& listener : cluster.listeners) {
      contexts.listeners[listener.name];
      if (!listener.tls) continue;
      TlsPart& part = parts_.emplace_back();
      part.wall_clock = wall_clock;
      part.owner = "listener " + listener.name + " of cluster " + cluster.name;
      part.cluster = cluster.name;
      part.listener = listener.name;
      part.listener_tls = &*listener.tls;
      watch_identity(listener.tls->identity);
      watch(pointer(listener.tls->client_authorities));
      watch(pointer(listener.tls->revocations));
    }
    if (cluster.upstream.tls) {
      TlsPart& part = parts_.emplace_back();
      part.wall_clock = wall_clock;
      part.owner = "the upstream of cluster " + cluster.name;
      part.cluster = cluster.name;
      part.upstream_tls = &*cluster.upstream.tls;
      if (part.upstream_tls->identity) watch_identity(*part.upstream_tls->identity);
      watch(pointer(part.upstream_tls->authorities));
      watch(pointer(part.upstream_tls->revocations));
    }
  }
  snapshot_ = std::move(first);
}

TlsContexts::~TlsContexts() = default;

std::int64_t TlsContexts::system_time() {
  return std::time(nullptr);
}

bool TlsContexts::can_serve() const {
  const std::lock_guard lock(loading_);
  for (const config::Cluster& cluster : config_->clusters) {
    for (const config::Listener& listener : cluster.listeners) {
      const bool can = std::ranges::none_of(parts_, [&](const TlsPart& part) {
        const bool concerned =
            part.cluster == cluster.name && (part.upstream_tls != nullptr || part.listener == listener.name);
        return concerned && !part.usable();
      });
      if (can) return true;
    }
  }
  return false;
}

std::int64_t TlsContexts::next_change_s() const {
  const std::lock_guard lock(loading_);
  std::int64_t next_s = never_s;
  for (const TlsPart& part : parts_) next_s = std::min(next_s, part.next_change_s);
  return next_s;
}

std::vector<Problem> TlsContexts::load_locked() {
  std::vector<Problem> once;
  for (TlsPart& part : parts_) {
    part.refresh(tickets_);
    // Two listeners with the same store report the same problem.
    for (const Problem& problem : part.problems) {
      const bool reported = std::ranges::any_of(once, [&](const Problem& other) {
        return other.where == problem.where && other.what == problem.what;
      });
      if (!reported) once.push_back(problem);
    }
  }
  publish();
  publish_conditions();
  return once;
}

void TlsContexts::publish_conditions() {
  auto next = std::make_shared<std::vector<TlsCondition>>();
  for (const TlsPart& part : parts_) {
    TlsCondition& condition = next->emplace_back();
    condition.cluster = part.cluster;
    if (part.listener_tls != nullptr) condition.listener = part.listener;
    if (part.certificate) condition.not_after_s = part.certificate->certificate.not_after_s;
    condition.usable = part.has_context();
    condition.broken =
        std::ranges::any_of(part.problems, [](const Problem& problem) { return !problem.warning; });
  }
  const std::lock_guard lock(mutex_);
  conditions_ = std::move(next);
}

std::shared_ptr<const std::vector<TlsCondition>> TlsContexts::conditions() const {
  const std::lock_guard lock(mutex_);
  return conditions_;
}

void TlsContexts::publish() {
  auto next = std::make_shared<TlsSnapshot>(*snapshot());
  ++next->version;
  bool changed = false;
  for (const TlsPart& part : parts_) {
    ClusterTls& cluster = next->clusters[part.cluster];
    std::string why_not;
    if (!part.has_context())
      why_not = part.problems.empty() ? "it was not read yet" : to_string(part.problems.front());
    const auto set = [&](auto& usable, const auto& context) {
      changed = changed || usable.context != context || usable.why_not != why_not;
      usable = {context, why_not};
    };
    if (part.listener_tls != nullptr) {
      set(cluster.listeners[part.listener], part.server);
    } else {
      set(cluster.upstream, part.client);
    }
  }
  if (!changed) return;
  const std::lock_guard lock(mutex_);
  snapshot_ = std::move(next);
  version_.store(snapshot_->version, std::memory_order_release);
}

std::vector<Problem> TlsContexts::load() {
  const std::lock_guard lock(loading_);
  std::vector<Problem> problems = load_locked();
  reported_.clear();
  for (const Problem& problem : problems) reported_.push_back(to_string(problem));
  return problems;
}

void TlsContexts::reload() {
  const std::lock_guard lock(loading_);
  const bool had_reported = !reported_.empty();
  load_locked();
  std::vector<std::string> reported_now;
  for (const TlsPart& part : parts_) {
    if (part.renewed) {
      std::string text = part.owner + ": TLS was renewed; new connections use it";
      if (part.certificate) {
        text += ": certificate of " + part.certificate->certificate.names.subject + ", valid until " +
                x509::date_text(part.certificate->certificate.not_after_s);
      }
      log_.write({Severity::info, "tls_renewed", part.owner, text});
    }
    for (const Problem& problem : part.problems) {
      std::string text = to_string(problem);
      if (std::ranges::find(reported_now, text) != reported_now.end()) continue;
      reported_now.push_back(text);
      if (std::ranges::find(reported_, text) != reported_.end()) continue;
      if (problem.warning) {
        log_.write({Severity::warning, "tls_part_left_out", problem.where, std::move(text)});
      } else {
        text += part.has_context() ? "; what was read before continues to serve"
                                   : "; " + part.owner + " refuses its connections until then";
        log_.write({Severity::error, "tls_renewal_failed", problem.where, std::move(text)});
      }
    }
  }
  if (reported_now.empty() && had_reported)
    log_.write({Severity::info, "tls_renewal_well", "", "every certificate and key can be read again"});
  reported_ = std::move(reported_now);
}

std::shared_ptr<const TlsSnapshot> TlsContexts::snapshot() const {
  const std::lock_guard lock(mutex_);
  return snapshot_;
}

std::vector<OwnCertificate> TlsContexts::certificates() const {
  const std::lock_guard lock(loading_);
  std::vector<OwnCertificate> all;
  for (const TlsPart& part : parts_) {
    if (part.certificate) all.push_back(*part.certificate);
  }
  return all;
}

void TlsContexts::advance(Instant now) {
  tickets_->advance(now);
}

}  // namespace kferry::certificates
