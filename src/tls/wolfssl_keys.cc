#include "tls/wolfssl_keys.h"

#include <wolfssl/options.h>
// The options come first: they decide the layout of what the others declare.
#include <wolfssl/ssl.h>

#include <algorithm>

#include "base/assert.h"

namespace kferry::tls {
namespace {

template <std::size_t N>
void fill(std::array<std::byte, N>& to, const unsigned char* from, std::size_t size) {
  KFERRY_ASSERT(size <= N);
  std::copy_n(reinterpret_cast<const std::byte*>(from), size, to.begin());
}

void fill_nonce(TrafficKey& key, const unsigned char* iv, const SentNonce& sent) {
  if (key.version == Version::tls_1_3 || key.cipher == RecordCipher::chacha20_poly1305) {
    std::array<std::byte, 12> bytes{};
    fill(bytes, iv, bytes.size());
    key.set_iv(bytes);
    wipe(bytes);
    return;
  }
  fill(key.salt, iv, key.salt.size());
  // The explicit nonce: wolfSSL starts at random and counts up, so continuing its count uses no nonce twice. In the
  // receive direction every record carries its own.
  std::ranges::copy(sent, key.iv.begin());
  count_up(std::span(key.iv).first(sent.size()));
}

#ifdef HAVE_SECRET_CALLBACK
int on_secret(WOLFSSL* ssl, int id, const unsigned char* secret, int size, void* owner) {
  if ((id != CLIENT_TRAFFIC_SECRET && id != SERVER_TRAFFIC_SECRET) || (size != 32 && size != 48)) return 0;
  TrafficSecrets& secrets = *static_cast<TrafficSecrets*>(owner);
  const bool ours = (id == SERVER_TRAFFIC_SECRET) == (wolfSSL_is_server(ssl) != 0);
  (ours ? secrets.send : secrets.receive) =
      TrafficSecret(std::as_bytes(std::span(secret, static_cast<std::size_t>(size))));
  return 0;
}
#endif

}  // namespace

std::optional<TrafficKeys> keys_of(WOLFSSL* ssl, Version version, bool server, const SentNonce& sent) {
  TrafficKey one;
  one.version = version;
  const int key_size = wolfSSL_GetKeySize(ssl);
  switch (wolfSSL_GetBulkCipher(ssl)) {
    case wolfssl_aes_gcm:
      one.cipher = key_size == 16 ? RecordCipher::aes_128_gcm : RecordCipher::aes_256_gcm;
      break;
    case wolfssl_chacha:
      one.cipher = RecordCipher::chacha20_poly1305;
      break;
    default:
      return std::nullopt;
  }
  KFERRY_ASSERT(static_cast<std::size_t>(key_size) == one.key_size());
  const auto direction = [&](bool from_server, word64 sequence) {
    TrafficKey key = one;
    fill(key.key, from_server ? wolfSSL_GetServerWriteKey(ssl) : wolfSSL_GetClientWriteKey(ssl),
         one.key_size());
    for (std::size_t i = 0; i < key.rec_seq.size(); ++i) {
      key.rec_seq[i] = static_cast<std::byte>(sequence >> (56 - 8 * i));
    }
    fill_nonce(key, from_server ? wolfSSL_GetServerWriteIV(ssl) : wolfSSL_GetClientWriteIV(ssl), sent);
    return key;
  };
  // Both return 1 if the number is 0, which is not an error.
  word64 sending = 0, receiving = 0;
  wolfSSL_GetSequenceNumber(ssl, &sending);
  wolfSSL_GetPeerSequenceNumber(ssl, &receiving);
  return TrafficKeys{direction(server, sending), direction(!server, receiving)};
}

void note_secrets([[maybe_unused]] WOLFSSL* ssl, [[maybe_unused]] TrafficSecrets& secrets) {
#ifdef HAVE_SECRET_CALLBACK
  wolfSSL_set_tls13_secret_cb(ssl, on_secret, &secrets);
#endif
}

}  // namespace kferry::tls
