#include "x509/key_match.h"

#include "x509/private_key.h"

namespace kferry::x509 {

bool keys_match(std::span<const std::byte> public_key, std::span<const std::byte> private_key) {
  const unsigned char* at = raw(public_key);
  const KeyPtr shown(d2i_PUBKEY(nullptr, &at, static_cast<long>(public_key.size())));
  ERR_clear_error();
  Effort effort;
  const auto own = open_key(private_key, {}, effort);
  return own && same_public_key(shown.get(), own->get()) && signs_for(shown.get(), own->get());
}

}  // namespace kferry::x509
