#include "certificates/tls_part.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "certificates/tls_settings.h"
#include "x509/certificate.h"
#include "x509/stores.h"

namespace kferry::certificates {

using config::Problem;

namespace {

constexpr std::int64_t retry_s = 60;

Problem vouches_for_nothing(const config::Store& store) {
  return {store.where,
          name_of(store) + ": no certificate in it vouches for anything now: replace those that expired",
          {},
          false};
}

}  // namespace

void TlsPart::refresh(const std::shared_ptr<tls::TicketKeys>& tickets) {
  made = renewed = waits_for_its_time = false;
  problems.clear();
  StoreReading reading;
  if (listener_tls != nullptr) {
    reading.add(listener_tls->identity);
    if (listener_tls->client_auth != config::ClientAuth::none) {
      reading.add(listener_tls->client_authorities);
      reading.add(listener_tls->revocations);
    }
  } else {
    reading.add(upstream_tls->authorities);
    reading.add(upstream_tls->revocations);
    if (upstream_tls->identity) reading.add(*upstream_tls->identity);
  }
  problems = std::move(reading.problems());
  const std::int64_t now_s = wall_clock();
  const bool is_read = problems.empty();
  std::vector<std::byte> read = reading.fingerprint();
  if (is_read && (read != fingerprint || now_s >= next_change_s)) {
    std::vector<Problem> old_notes = std::exchange(notes, {});
    if (listener_tls != nullptr) {
      make_server(reading, tickets);
    } else {
      make_client(reading);
    }
    if (made) {
      renewed = read != fingerprint;
      fingerprint = std::move(read);
    } else {
      notes = std::move(old_notes);
    }
  }
  // A change that was due and could not be made is tried again a little later.
  if (next_change_s <= now_s) next_change_s = now_s + retry_s;
  if (!has_context()) return;
  const bool failed = !problems.empty();
  problems.insert(problems.end(), notes.begin(), notes.end());
  // The certificate was not renewed in time.
  const std::string expired =
      certificate ? x509::validity_problem(certificate->certificate, now_s) : std::string();
  if (!expired.empty() && !failed)
    problems.push_back({certificate->where, certificate->file + ": " + expired, {}, false});
  const config::Store* const store =
      pointer(listener_tls != nullptr ? listener_tls->client_authorities : upstream_tls->authorities);
  const x509::TrustStore* const trust = server != nullptr ? server->trust() : &client->trust();
  if (store != nullptr && trust != nullptr && !trust->vouches(now_s))
    problems.push_back(vouches_for_nothing(*store));
}

// Sets when the part has to be judged again. `identity`: the one that was read.
void TlsPart::schedule(const x509::Identity* identity) {
  const std::int64_t now_s = wall_clock();
  next_change_s = never_s;
  const auto consider = [&](std::int64_t at_s) {
    if (at_s > now_s) next_change_s = std::min(next_change_s, at_s);
  };
  if (identity != nullptr) {
    consider(identity->choose_again_s);
    for (std::size_t i = 0; i < identity->chain.size(); ++i) {
      const auto read = x509::read_certificate(identity->chain[i]);
      if (!read) continue;
      consider(read->not_before_s);
      consider(read->not_after_s + 1);
      if (i == 0 && now_s < read->not_before_s) waits_for_its_time = true;
    }
  }
  if (server != nullptr && server->trust() != nullptr) consider(server->trust()->next_change_s(now_s));
  if (client != nullptr) consider(client->trust().next_change_s(now_s));
}

void TlsPart::make_server(const StoreReading& reading, const std::shared_ptr<tls::TicketKeys>& tickets) {
  const config::ListenerTls& from = *listener_tls;
  std::vector<x509::Note> found;
  tls::ServerSettings settings;
  settings.offer = offer_of(from.offer);
  settings.client_auth = client_auth_of(from.client_auth);
  settings.required_subjects = from.required_subjects;
  settings.wall_clock = wall_clock;
  take_or_report(reading.identity(from.identity, wall_clock(), found), from.identity.certificates,
                 settings.identity, problems);
  note(&from.identity.certificates, std::move(found));
  if (from.client_auth != config::ClientAuth::none) {
    if (const config::Store* store = pointer(from.client_authorities)) {
      take_or_report(x509::read_authorities(reading.file(*store), x509::Role::client, found), *store,
                     settings.client_cas, problems);
      note(store, std::move(found));
    }
    if (const config::Store* store = pointer(from.revocations)) {
      take_or_report(x509::read_revocations(reading.file(*store), found), *store, settings.crls, problems);
      note(store, std::move(found));
    }
  }
  if (!problems.empty()) return;
  auto context = tls::ServerContext::make(settings, tickets);
  if (context) {
    server = std::move(*context);
    made = true;
    describe(from.identity, settings.identity);
    note(server->notes(), &from.identity, from.client_authorities, from.revocations);
  } else {
    problems.push_back(problem_of(
        context.error(),
        {from.offer, &from.identity, pointer(from.client_authorities), pointer(from.revocations), owner}));
  }
  schedule(&settings.identity);
}

void TlsPart::make_client(const StoreReading& reading) {
  const config::UpstreamTls& from = *upstream_tls;
  std::vector<x509::Note> found;
  tls::ClientSettings settings;
  settings.offer = offer_of(from.offer);
  settings.verify_host_name = from.verify_host_name;
  settings.wall_clock = wall_clock;
  if (const config::Store* store = pointer(from.authorities)) {
    take_or_report(x509::read_authorities(reading.file(*store), x509::Role::broker, found), *store,
                   settings.cas, problems);
    note(store, std::move(found));
  }
  if (const config::Store* store = pointer(from.revocations)) {
    take_or_report(x509::read_revocations(reading.file(*store), found), *store, settings.crls, problems);
    note(store, std::move(found));
  }
  if (from.identity) {
    settings.identity.emplace();
    take_or_report(reading.identity(*from.identity, wall_clock(), found), from.identity->certificates,
                   *settings.identity, problems);
    note(&from.identity->certificates, std::move(found));
  }
  if (!problems.empty()) return;
  const config::Identity* const identity = from.identity ? &*from.identity : nullptr;
  auto context = tls::ClientContext::make(settings);
  if (context) {
    client = std::move(*context);
    made = true;
    if (identity != nullptr) describe(*identity, *settings.identity);
    note(client->notes(), identity, from.authorities, from.revocations);
  } else {
    problems.push_back(problem_of(context.error(), {from.offer, identity, pointer(from.authorities),
                                                    pointer(from.revocations), owner}));
  }
  schedule(settings.identity ? &*settings.identity : nullptr);
}

void TlsPart::describe(const config::Identity& from, const x509::Identity& identity) {
  // A context was made from it, so it can be parsed.
  auto read = x509::read_certificate(identity.chain.front());
  KFERRY_ASSERT(read.has_value());
  certificate = OwnCertificate{owner,
                               cluster,
                               listener_tls == nullptr ? std::nullopt : std::optional(listener),
                               from.certificates.where,
                               name_of(from.certificates),
                               std::move(*read),
                               identity.choices};
}

bool TlsPart::usable() const {
  if (!has_context()) return waits_for_its_time;
  const std::int64_t now_s = wall_clock();
  if (client != nullptr) return client->trust().vouches(now_s);
  return server->client_auth() != tls::ClientAuth::require || server->trust()->vouches(now_s);
}

void TlsPart::note(const config::Store* store, std::vector<x509::Note>&& found) {
  for (x509::Note& one : found) {
    std::string text = store == nullptr ? std::move(one.text) : name_of(*store) + ": " + one.text;
    notes.push_back({store == nullptr ? owner : store->where, std::move(text), {}, true});
  }
  found.clear();
}

void TlsPart::note(const std::vector<tls::ContextNote>& found, const config::Identity* identity,
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

}  // namespace kferry::certificates
