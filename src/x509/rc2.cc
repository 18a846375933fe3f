#include "x509/rc2.h"

#include <wolfssl/options.h>
// The options come first: they decide the layout of what the others declare.
#include <wolfssl/wolfcrypt/rc2.h>

#include <algorithm>

#include "base/assert.h"

#ifndef WC_RC2
#error "this wolfSSL was built without RC2: build it with scripts/wolfssl.py"
#endif

namespace kferry::x509 {

std::optional<Secret> decrypt_rc2_cbc(std::span<const std::byte> key, std::span<const std::byte> iv,
                                      std::span<const std::byte> sealed) {
  KFERRY_ASSERT(iv.size() == RC2_BLOCK_SIZE);
  if (sealed.empty() || sealed.size() % RC2_BLOCK_SIZE != 0) return std::nullopt;
  Rc2 rc2{};
  KFERRY_ASSERT(wc_Rc2SetKey(&rc2, reinterpret_cast<const byte*>(key.data()), static_cast<word32>(key.size()),
                             reinterpret_cast<const byte*>(iv.data()),
                             static_cast<word32>(key.size() * 8)) == 0);
  Bytes plain(sealed.size());
  const int decrypted =
      wc_Rc2CbcDecrypt(&rc2, reinterpret_cast<byte*>(plain.data()),
                       reinterpret_cast<const byte*>(sealed.data()), static_cast<word32>(sealed.size()));
  wipe(std::as_writable_bytes(std::span(&rc2, 1)));
  KFERRY_ASSERT(decrypted == 0);
  const auto padding = std::to_integer<std::size_t>(plain.back());
  const bool padded = padding >= 1 && padding <= RC2_BLOCK_SIZE &&
                      std::all_of(plain.end() - static_cast<std::ptrdiff_t>(padding), plain.end(),
                                  [&](std::byte one) { return one == plain.back(); });
  if (padded) {
    wipe(std::span(plain).last(padding));
    plain.resize(plain.size() - padding);
  } else {
    wipe(plain);
    return std::nullopt;
  }
  return Secret(std::move(plain));
}

}  // namespace kferry::x509
