#include "certificates/tls_contexts.h"

#include <algorithm>
#include <ctime>
#include <expected>
#include <limits>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "certificates/store_reading.h"
#include "tls/ticket_keys.h"
#include "x509/certificate.h"
#include "x509/stores.h"

namespace kferry::certificates {
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
void take(std::expected<Value, Failure> read, const config::Store& store, Value& into,
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

Problem problem_of(const Failure& failure, const Places& places) {
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
      failure.cause == "client_authorities_missing" || failure.cause == "subject_rule_malformed") {
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

constexpr std::int64_t retry_s = 60;
constexpr std::int64_t never_s = std::numeric_limits<std::int64_t>::max();

Problem vouches_for_nothing(const config::Store& store) {
  return {store.where,
          name_of(store) + ": no certificate in it vouches for anything now: replace those that expired",
          {},
          false};
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
  std::int64_t next_change_s = never_s;  // Unix time; when it has to be judged anew
  bool waits_for_its_time = false;       // what was read last begins later
  std::vector<Problem> notes;            // warnings of what the context was made from
  std::vector<Problem> problems;         // all that the last load() found
  bool fresh = false;                    // made by the load() under way
  bool renewed = false;                  // from other files than before

  bool has_context() const { return server != nullptr || client != nullptr; }

  void note(const config::Store* store, std::vector<x509::Note>&& found) {
    for (x509::Note& one : found) {
      std::string text = store == nullptr ? std::move(one.text) : name_of(*store) + ": " + one.text;
      notes.push_back({store == nullptr ? owner : store->where, std::move(text), {}, true});
    }
    found.clear();
  }
  void note(const std::vector<tls::ContextNote>& found, const config::Identity* identity,
            const std::optional<config::Store>& authorities,
            const std::optional<config::Store>& revocations) {
    for (const tls::ContextNote& one : found) {
      const config::Store* store = one.part == tls::Part::revocations ? pointer(revocations)
                                   : one.part == tls::Part::identity && identity != nullptr
                                       ? &identity->certificates
                                       : pointer(authorities);
      note(store, {one.note});
    }
  }
};

TlsContexts::TlsContexts(const config::Config& config, LogSink& log, Instant now, WallClock wall_clock)
    : log_(log), config_(config), wall_clock_(wall_clock), tickets_(std::make_shared<tls::TicketKeys>(now)) {
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
    first->clusters.emplace_back();
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
                     std::move(*certificate),
                     identity.choices};
}

// Makes the part's context from its files as they are now, unless they and all that was judged by the clock are as they
// were. A part that cannot be made keeps the context it has.
void TlsContexts::refresh(Part& part) const {
  part.fresh = part.renewed = part.waits_for_its_time = false;
  part.problems.clear();
  StoreReading reading;
  if (const config::ListenerTls* const listener = part.listener_tls) {
    reading.add(listener->identity);
    if (listener->client_auth != config::ClientAuth::none) {
      reading.add(listener->client_authorities);
      reading.add(listener->revocations);
    }
  } else {
    reading.add(part.upstream_tls->authorities);
    reading.add(part.upstream_tls->revocations);
    if (part.upstream_tls->identity) reading.add(*part.upstream_tls->identity);
  }
  part.problems = std::move(reading.problems());
  const std::int64_t now_s = wall_clock_();
  const bool is_read = part.problems.empty();
  std::vector<std::byte> fingerprint = reading.fingerprint();
  if (is_read && (fingerprint != part.fingerprint || now_s >= part.next_change_s)) {
    std::vector<Problem> notes = std::exchange(part.notes, {});
    if (part.listener_tls != nullptr) {
      make_server(part, reading);
    } else {
      make_client(part, reading);
    }
    if (part.fresh) {
      part.renewed = fingerprint != part.fingerprint;
      part.fingerprint = std::move(fingerprint);
    } else {
      part.notes = std::move(notes);
    }
  }
  // What could not be judged at its time is looked at again a little later.
  if (part.next_change_s <= now_s) part.next_change_s = now_s + retry_s;
  if (!part.has_context()) return;
  const bool failed = !part.problems.empty();
  part.problems.insert(part.problems.end(), part.notes.begin(), part.notes.end());
  // Nobody has renewed it in time.
  const std::string expired =
      part.certificate ? x509::validity_problem(part.certificate->certificate, now_s) : std::string();
  if (!expired.empty() && !failed)
    part.problems.push_back({part.certificate->where, part.certificate->file + ": " + expired, {}, false});
  const config::Store* const store = pointer(
      part.listener_tls != nullptr ? part.listener_tls->client_authorities : part.upstream_tls->authorities);
  const x509::TrustStore* const trust = part.server != nullptr ? part.server->trust() : &part.client->trust();
  if (store != nullptr && trust != nullptr && !trust->vouches(now_s))
    part.problems.push_back(vouches_for_nothing(*store));
}

// When the part is to be judged anew. `identity`: the one that was read.
void TlsContexts::watch_time(Part& part, const x509::Identity* identity) const {
  const std::int64_t now_s = wall_clock_();
  part.next_change_s = never_s;
  const auto consider = [&](std::int64_t at_s) {
    if (at_s > now_s) part.next_change_s = std::min(part.next_change_s, at_s);
  };
  if (identity != nullptr) {
    consider(identity->choose_again_s);
    for (std::size_t i = 0; i < identity->chain.size(); ++i) {
      const auto certificate = x509::read_certificate(identity->chain[i]);
      if (!certificate) continue;
      consider(certificate->not_before_s);
      consider(certificate->not_after_s + 1);
      if (i == 0 && now_s < certificate->not_before_s) part.waits_for_its_time = true;
    }
  }
  if (part.server != nullptr && part.server->trust() != nullptr)
    consider(part.server->trust()->next_change_s(now_s));
  if (part.client != nullptr) consider(part.client->trust().next_change_s(now_s));
}

void TlsContexts::make_server(Part& part, const StoreReading& reading) const {
  const config::ListenerTls& listener = *part.listener_tls;
  std::vector<x509::Note> notes;
  tls::ServerSettings settings;
  settings.offer = offer_of(listener.offer);
  settings.client_auth = client_auth_of(listener.client_auth);
  settings.required_subjects = listener.required_subjects;
  settings.wall_clock = wall_clock_;
  take(reading.identity(listener.identity, wall_clock_(), notes), listener.identity.certificates,
       settings.identity, part.problems);
  part.note(&listener.identity.certificates, std::move(notes));
  if (listener.client_auth != config::ClientAuth::none) {
    if (const config::Store* store = pointer(listener.client_authorities)) {
      take(x509::read_authorities(reading.file(*store), x509::Role::client, notes), *store,
           settings.client_cas, part.problems);
      part.note(store, std::move(notes));
    }
    if (const config::Store* store = pointer(listener.revocations)) {
      take(x509::read_revocations(reading.file(*store), notes), *store, settings.crls, part.problems);
      part.note(store, std::move(notes));
    }
  }
  if (!part.problems.empty()) return;
  auto made = tls::ServerContext::make(settings, tickets_);
  if (made) {
    part.server = std::move(*made);
    part.fresh = true;
    describe(part, listener.identity, settings.identity);
    part.note(part.server->notes(), &listener.identity, listener.client_authorities, listener.revocations);
  } else {
    part.problems.push_back(
        problem_of(made.error(), {listener.offer, &listener.identity, pointer(listener.client_authorities),
                                  pointer(listener.revocations), part.owner}));
  }
  watch_time(part, &settings.identity);
}

void TlsContexts::make_client(Part& part, const StoreReading& reading) const {
  const config::UpstreamTls& upstream = *part.upstream_tls;
  std::vector<x509::Note> notes;
  tls::ClientSettings settings;
  settings.offer = offer_of(upstream.offer);
  settings.verify_host_name = upstream.verify_host_name;
  settings.wall_clock = wall_clock_;
  if (const config::Store* store = pointer(upstream.authorities)) {
    take(x509::read_authorities(reading.file(*store), x509::Role::broker, notes), *store, settings.cas,
         part.problems);
    part.note(store, std::move(notes));
  }
  if (const config::Store* store = pointer(upstream.revocations)) {
    take(x509::read_revocations(reading.file(*store), notes), *store, settings.crls, part.problems);
    part.note(store, std::move(notes));
  }
  if (upstream.identity) {
    settings.identity.emplace();
    take(reading.identity(*upstream.identity, wall_clock_(), notes), upstream.identity->certificates,
         *settings.identity, part.problems);
    part.note(&upstream.identity->certificates, std::move(notes));
  }
  if (!part.problems.empty()) return;
  const config::Identity* const identity = upstream.identity ? &*upstream.identity : nullptr;
  auto made = tls::ClientContext::make(settings);
  if (made) {
    part.client = std::move(*made);
    part.fresh = true;
    if (identity != nullptr) describe(part, *identity, *settings.identity);
    part.note(part.client->notes(), identity, upstream.authorities, upstream.revocations);
  } else {
    part.problems.push_back(problem_of(made.error(), {upstream.offer, identity, pointer(upstream.authorities),
                                                      pointer(upstream.revocations), part.owner}));
  }
  watch_time(part, settings.identity ? &*settings.identity : nullptr);
}

// Whether its connections, or its dials, can succeed now or once its certificate's time has come.
bool TlsContexts::usable(const Part& part) const {
  if (!part.has_context()) return part.waits_for_its_time;
  const std::int64_t now_s = wall_clock_();
  if (part.client != nullptr) return part.client->trust().vouches(now_s);
  return part.server->client_auth() != tls::ClientAuth::require || part.server->trust()->vouches(now_s);
}

bool TlsContexts::can_serve() const {
  const std::lock_guard lock(loading_);
  for (std::size_t c = 0; c < config_.clusters.size(); ++c) {
    for (std::size_t l = 0; l < config_.clusters[c].listeners.size(); ++l) {
      const bool can = std::ranges::none_of(parts_, [&](const Part& part) {
        const bool concerned = part.cluster == c && (part.upstream_tls != nullptr || part.listener == l);
        return concerned && !usable(part);
      });
      if (can) return true;
    }
  }
  return false;
}

std::int64_t TlsContexts::next_change_s() const {
  const std::lock_guard lock(loading_);
  std::int64_t next_s = never_s;
  for (const Part& part : parts_) next_s = std::min(next_s, part.next_change_s);
  return next_s;
}

std::vector<Problem> TlsContexts::load_locked() {
  std::vector<Problem> once;
  for (Part& part : parts_) {
    refresh(part);
    // Two listeners with one store have the same to say.
    for (const Problem& problem : part.problems) {
      const bool told = std::ranges::any_of(once, [&](const Problem& other) {
        return other.where == problem.where && other.what == problem.what;
      });
      if (!told) once.push_back(problem);
    }
  }
  publish();
  return once;
}

void TlsContexts::publish() {
  auto next = std::make_shared<TlsSnapshot>(*snapshot());
  ++next->version;
  bool changed = false;
  for (const Part& part : parts_) {
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
  told_.clear();
  for (const Problem& problem : problems) told_.push_back(to_string(problem));
  return problems;
}

void TlsContexts::reload() {
  const std::lock_guard lock(loading_);
  const bool had_told = !told_.empty();
  load_locked();
  std::vector<std::string> now_told;
  for (const Part& part : parts_) {
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
      if (std::ranges::find(now_told, text) != now_told.end()) continue;
      now_told.push_back(text);
      if (std::ranges::find(told_, text) != told_.end()) continue;
      if (problem.warning) {
        log_.write({Severity::warning, "tls_part_left_out", problem.where, std::move(text)});
      } else {
        text += part.has_context() ? "; what was read before continues to serve"
                                   : "; " + part.owner + " refuses its connections until then";
        log_.write({Severity::error, "tls_renewal_failed", problem.where, std::move(text)});
      }
    }
  }
  if (now_told.empty() && had_told)
    log_.write({Severity::info, "tls_renewal_well", "", "every certificate and key can be read again"});
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

}  // namespace kferry::certificates
