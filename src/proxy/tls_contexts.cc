#include "proxy/tls_contexts.h"

#include <algorithm>
#include <ctime>
#include <expected>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "proxy/store_reading.h"
#include "tls/ticket_keys.h"
#include "x509/certificate.h"
#include "x509/stores.h"

namespace kferry::proxy {
namespace {

using config::Problem;

tls::Version version_of(config::TlsVersion version) {
  return version == config::TlsVersion::tls_1_2 ? tls::Version::tls_1_2 : tls::Version::tls_1_3;
}

tls::Offer offer_of(const config::TlsOffer& offer) {
  return {version_of(offer.lowest), version_of(offer.highest), offer.ciphers.text, offer.curves.text};
}

tls::ClientAuth client_auth_of(config::ClientAuth mode) {
  switch (mode) {
    case config::ClientAuth::none:
      return tls::ClientAuth::none;
    case config::ClientAuth::optional:
      return tls::ClientAuth::optional;
    case config::ClientAuth::require:
      break;
  }
  return tls::ClientAuth::require;
}

// The settings that a context is made of, as far as they could be read; every failure has been told.
template <typename Value>
void take(std::expected<Value, x509::Failure> read, const config::Store& store, Value& into,
          std::vector<Problem>& problems) {
  if (read) {
    into = std::move(*read);
  } else {
    problems.push_back({store.where, std::move(read.error().text), {}, false});
  }
}

// Where a failure that names no file belongs.
struct Places {
  const config::TlsOffer& offer;
  const config::Identity* identity;
  const config::Store* authorities;
  const config::Store* revocations;
  const std::string& owner;
};

Problem problem_of(const x509::Failure& failure, const Places& places) {
  const auto at = [&](const config::Store* store) {
    return store == nullptr ? Problem{places.owner, failure.text, {}, false}
                            : Problem{store->where, name_of(*store) + ": " + failure.text, {}, false};
  };
  const auto written = [&](const config::Written& setting) {
    return Problem{setting.where.empty() ? places.owner : setting.where, failure.text, {}, false};
  };
  if (failure.cause == "cipher_unknown" || failure.cause == "versions_empty")
    return written(places.offer.ciphers);
  if (failure.cause == "curve_unknown") return written(places.offer.curves);
  if (failure.cause == "authority_unusable" || failure.cause == "authorities_missing" ||
      failure.cause == "client_authorities_missing") {
    return at(places.authorities);
  }
  if (failure.cause == "revocations_unusable") return at(places.revocations);
  if (places.identity == nullptr) return at(nullptr);
  return at(failure.cause.starts_with("key_") && places.identity->key ? &*places.identity->key
                                                                      : &places.identity->certificates);
}

const config::Store* pointer(const std::optional<config::Store>& store) {
  return store ? &*store : nullptr;
}

}  // namespace

std::expected<std::shared_ptr<const tls::ClientContext>, std::vector<Problem>> load_client_context(
    const config::UpstreamTls& from) {
  StoreReading reading;
  reading.add(from.authorities);
  if (from.identity) reading.add(*from.identity);
  std::vector<Problem>& found = reading.problems();
  if (!found.empty()) return std::unexpected(std::move(found));
  std::vector<x509::Note> notes;
  tls::ClientSettings settings;
  settings.offer = offer_of(from.offer);
  settings.verify_host_name = from.verify_host_name;
  if (const config::Store* store = pointer(from.authorities))
    take(x509::read_authorities(reading.file(*store), x509::Role::broker, notes), *store, settings.cas,
         found);
  if (from.identity) {
    settings.identity.emplace();
    take(reading.identity(*from.identity, TlsContexts::system_time(), notes), from.identity->certificates,
         *settings.identity, found);
  }
  if (!found.empty()) return std::unexpected(std::move(found));
  auto made = tls::ClientContext::make(settings);
  if (!made) {
    const config::Identity* identity = from.identity ? &*from.identity : nullptr;
    return std::unexpected(std::vector{
        problem_of(made.error(), {from.offer, identity, pointer(from.authorities), nullptr, "TLS"})});
  }
  return std::move(*made);
}

// A listener or an upstream that has TLS.
struct TlsContexts::Part {
  std::string owner;
  std::size_t cluster = 0;
  std::size_t listener = 0;
  const config::ListenerTls* listener_tls = nullptr;  // or
  const config::UpstreamTls* upstream_tls = nullptr;

  std::vector<std::byte> fingerprint;  // of what the context was made from
  std::shared_ptr<const tls::ServerContext> server;
  std::shared_ptr<const tls::ClientContext> client;
  std::optional<OwnCertificate> certificate;
  bool fresh = false;  // made by the load() under way
};

TlsContexts::TlsContexts(const config::Config& config, LogSink& log, Instant now, WallClock wall_clock)
    : log_(log), wall_clock_(wall_clock), tickets_(std::make_shared<tls::TicketKeys>(now)) {
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
  for (std::size_t c = 0; c < config.clusters.size(); ++c) {
    const config::Cluster& cluster = config.clusters[c];
    first->clusters.push_back({nullptr, {}});
    first->clusters.back().listeners.resize(cluster.listeners.size());
    for (std::size_t l = 0; l < cluster.listeners.size(); ++l) {
      const config::Listener& listener = cluster.listeners[l];
      if (!listener.tls) continue;
      Part& part = parts_.emplace_back();
      part.owner = "listener " + listener.name + " of cluster " + cluster.name;
      part.cluster = c;
      part.listener = l;
      part.listener_tls = &*listener.tls;
      watch_identity(listener.tls->identity);
      watch(pointer(listener.tls->client_authorities));
      watch(pointer(listener.tls->revocations));
    }
    if (cluster.upstream.tls) {
      Part& part = parts_.emplace_back();
      part.owner = "the upstream of cluster " + cluster.name;
      part.cluster = c;
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

void TlsContexts::describe(Part& part, const config::Identity& from, const x509::Identity& identity) {
  // A context was made of it, so it can be parsed.
  auto certificate = x509::read_certificate(identity.chain.front());
  KFERRY_ASSERT(certificate.has_value());
  part.certificate =
      OwnCertificate{part.owner,
                     part.cluster,
                     part.listener_tls == nullptr ? std::nullopt : std::optional(part.listener),
                     from.certificates.where,
                     name_of(from.certificates),
                     std::move(*certificate)};
}

// True when the part has a new context.
bool TlsContexts::refresh(Part& part, std::vector<Problem>& problems) {
  StoreReading reading;
  const config::ListenerTls* listener = part.listener_tls;
  const config::UpstreamTls* upstream = part.upstream_tls;
  if (listener != nullptr) {
    reading.add(listener->identity);
    if (listener->client_auth != config::ClientAuth::none) {
      reading.add(listener->client_authorities);
      reading.add(listener->revocations);
    }
  } else {
    reading.add(upstream->authorities);
    reading.add(upstream->revocations);
    if (upstream->identity) reading.add(*upstream->identity);
  }
  std::vector<Problem>& found = reading.problems();
  const auto give_up = [&] {
    std::ranges::move(found, std::back_inserter(problems));
    return false;
  };
  if (!found.empty()) return give_up();
  std::vector<std::byte> fingerprint = reading.fingerprint();
  if (fingerprint == part.fingerprint) {
    // Nobody has renewed it in time.
    const std::string problem = part.certificate
                                    ? x509::validity_problem(part.certificate->certificate, wall_clock_())
                                    : std::string();
    if (!problem.empty())
      problems.push_back({part.certificate->where, part.certificate->file + ": " + problem, {}, false});
    return false;
  }

  std::vector<x509::Note> notes;
  if (listener != nullptr) {
    tls::ServerSettings settings;
    settings.offer = offer_of(listener->offer);
    settings.client_auth = client_auth_of(listener->client_auth);
    settings.required_subjects = listener->required_subjects;
    take(reading.identity(listener->identity, wall_clock_(), notes), listener->identity.certificates,
         settings.identity, found);
    if (listener->client_auth != config::ClientAuth::none) {
      if (const config::Store* store = pointer(listener->client_authorities))
        take(x509::read_authorities(reading.file(*store), x509::Role::client, notes), *store,
             settings.client_cas, found);
      if (const config::Store* store = pointer(listener->revocations))
        take(x509::read_revocations(reading.file(*store), notes), *store, settings.crls, found);
    }
    if (!found.empty()) return give_up();
    auto made = tls::ServerContext::make(settings, tickets_);
    if (!made) {
      found.push_back(problem_of(made.error(),
                                 {listener->offer, &listener->identity, pointer(listener->client_authorities),
                                  pointer(listener->revocations), part.owner}));
      return give_up();
    }
    part.server = std::move(*made);
    describe(part, listener->identity, settings.identity);
  } else {
    tls::ClientSettings settings;
    settings.offer = offer_of(upstream->offer);
    settings.verify_host_name = upstream->verify_host_name;
    if (const config::Store* store = pointer(upstream->authorities))
      take(x509::read_authorities(reading.file(*store), x509::Role::broker, notes), *store, settings.cas,
           found);
    if (const config::Store* store = pointer(upstream->revocations))
      take(x509::read_revocations(reading.file(*store), notes), *store, settings.crls, found);
    if (upstream->identity) {
      settings.identity.emplace();
      take(reading.identity(*upstream->identity, wall_clock_(), notes), upstream->identity->certificates,
           *settings.identity, found);
    }
    if (!found.empty()) return give_up();
    auto made = tls::ClientContext::make(settings);
    if (!made) {
      found.push_back(problem_of(
          made.error(), {upstream->offer, upstream->identity ? &*upstream->identity : nullptr,
                         pointer(upstream->authorities), pointer(upstream->revocations), part.owner}));
      return give_up();
    }
    part.client = std::move(*made);
    if (upstream->identity) describe(part, *upstream->identity, *settings.identity);
  }
  part.fingerprint = std::move(fingerprint);
  return true;
}

std::vector<Problem> TlsContexts::load_locked() {
  std::vector<Problem> problems;
  bool any_fresh = false;
  for (Part& part : parts_) {
    part.fresh = refresh(part, problems);
    any_fresh = any_fresh || part.fresh;
  }
  if (any_fresh) publish();
  // Two listeners with one store have the same to say.
  std::vector<Problem> once;
  for (Problem& problem : problems) {
    const bool told = std::ranges::any_of(once, [&](const Problem& other) {
      return other.where == problem.where && other.what == problem.what;
    });
    if (!told) once.push_back(std::move(problem));
  }
  return once;
}

void TlsContexts::publish() {
  auto next = std::make_shared<TlsSnapshot>(*snapshot());
  ++next->version;
  for (const Part& part : parts_) {
    ClusterTls& cluster = next->clusters[part.cluster];
    if (part.listener_tls != nullptr) {
      cluster.listeners[part.listener] = part.server;
    } else {
      cluster.upstream = part.client;
    }
  }
  const std::lock_guard lock(mutex_);
  snapshot_ = std::move(next);
  version_.store(snapshot_->version, std::memory_order_release);
}

std::vector<Problem> TlsContexts::load() {
  const std::lock_guard lock(loading_);
  std::vector<Problem> problems = load_locked();
  told_.clear();
  for (const Problem& problem : problems) told_.push_back(to_string(problem));
  return problems;
}

void TlsContexts::reload() {
  const std::lock_guard lock(loading_);
  const std::vector<Problem> problems = load_locked();
  for (const Part& part : parts_) {
    if (!part.fresh) continue;
    std::string text = part.owner + ": TLS was renewed; new connections use it";
    if (part.certificate) {
      text += ": certificate of " + part.certificate->certificate.names.subject + ", valid until " +
              x509::date_text(part.certificate->certificate.not_after_s);
    }
    log_.write({Severity::info, "tls_renewed", part.owner, text});
  }
  std::vector<std::string> now_told;
  for (const Problem& problem : problems) {
    now_told.push_back(to_string(problem));
    if (std::ranges::find(told_, now_told.back()) != told_.end()) continue;
    log_.write({Severity::error, "tls_renewal_failed", problem.where,
                now_told.back() + "; what was read before goes on serving"});
  }
  if (problems.empty() && !told_.empty()) {
    log_.write({Severity::info, "tls_renewal_well", "", "every certificate and key can be read again"});
  }
  told_ = std::move(now_told);
}

std::shared_ptr<const TlsSnapshot> TlsContexts::snapshot() const {
  const std::lock_guard lock(mutex_);
  return snapshot_;
}

std::vector<OwnCertificate> TlsContexts::certificates() const {
  const std::lock_guard lock(loading_);
  std::vector<OwnCertificate> all;
  for (const Part& part : parts_) {
    if (part.certificate) all.push_back(*part.certificate);
  }
  return all;
}

void TlsContexts::advance(Instant now) {
  tickets_->advance(now);
}

}  // namespace kferry::proxy
