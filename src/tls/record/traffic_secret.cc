#include "tls/record/traffic_secret.h"

#include <wolfssl/options.h>
// The options come first: they decide the layout of what the others declare.
#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/kdf.h>

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace kferry::tls {

TrafficSecret::TrafficSecret(std::span<const std::byte> secret)
    : size_(static_cast<std::uint8_t>(secret.size())) {
  KFERRY_ASSERT(secret.size() == 32 || secret.size() == 48);
  std::ranges::copy(secret, bytes_.begin());
}

void TrafficSecret::expand(const char* label, std::span<std::byte> into) const {
  static constexpr unsigned char protocol[] = {'t', 'l', 's', '1', '3', ' '};
  const int result = wc_Tls13_HKDF_Expand_Label(
      reinterpret_cast<unsigned char*>(into.data()), static_cast<word32>(into.size()),
      reinterpret_cast<const unsigned char*>(bytes_.data()), size_, protocol, sizeof protocol,
      reinterpret_cast<const unsigned char*>(label), static_cast<word32>(std::strlen(label)), protocol, 0,
      size_ == 32 ? int{WC_SHA256} : int{WC_SHA384});
  KFERRY_ASSERT(result == 0);
}

void TrafficSecret::advance() {
  KFERRY_ASSERT(!empty());
  const TrafficSecret before = *this;
  before.expand("traffic upd", std::span(bytes_).first(size_));
}

TrafficKey TrafficSecret::key(RecordCipher cipher) const {
  KFERRY_ASSERT(!empty());
  TrafficKey key;
  key.version = Version::tls_1_3;
  key.cipher = cipher;
  expand("key", std::span(key.key).first(key.key_size()));
  std::array<std::byte, 12> iv{};
  expand("iv", iv);
  key.set_iv(iv);
  wipe(iv);
  return key;
}

}  // namespace kferry::tls
