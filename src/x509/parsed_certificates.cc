#include "x509/parsed_certificates.h"

#include <utility>

namespace kferry::x509 {
namespace {

X509Ptr share(X509* certificate) {
  X509_up_ref(certificate);
  return X509Ptr(certificate);
}

}  // namespace

X509Ptr ParsedCertificates::parse(std::span<const std::byte> der) const {
  if (der.size() <= size_max) {
    const std::lock_guard lock(mutex_);
    const auto found = kept_.find(std::string(text_of(der)));
    if (found != kept_.end()) return share(found->second.get());
  }
  return parse_x509(der);
}

void ParsedCertificates::keep(std::span<const std::byte> der, X509* certificate) {
  if (der.size() > size_max) return;
  X509Ptr evicted;  // freed after releasing the lock
  const std::lock_guard lock(mutex_);
  const auto [at, added] = kept_.try_emplace(std::string(text_of(der)));
  if (!added) return;
  at->second = share(certificate);
  order_.push_back(&at->first);
  if (order_.size() <= count_max) return;
  const auto oldest = kept_.find(*order_.front());
  evicted = std::move(oldest->second);
  kept_.erase(oldest);
  order_.pop_front();
}

std::size_t ParsedCertificates::size() const {
  const std::lock_guard lock(mutex_);
  return kept_.size();
}

}  // namespace kferry::x509
