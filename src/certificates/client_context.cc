// A context outside any configuration, such as `kferry probe` needs. Declared in certificates/tls_contexts.h.
#include <utility>

#include "certificates/store_reading.h"
#include "certificates/tls_contexts.h"
#include "certificates/tls_settings.h"
#include "x509/stores.h"

namespace kferry::certificates {

using config::Problem;

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
    take_or_report(x509::read_authorities(reading.file(*store), x509::Role::broker, notes), *store,
                   settings.cas, found);
  if (from.identity) {
    settings.identity.emplace();
    take_or_report(reading.identity(*from.identity, TlsContexts::system_time(), notes),
                   from.identity->certificates, *settings.identity, found);
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

}  // namespace kferry::certificates
