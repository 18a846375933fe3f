#include "tls/record/kernel_keys.h"

#include <linux/tls.h>

#include <cstring>

namespace kferry::tls {
namespace {

template <class Info>
std::size_t lay_out(const TrafficKey& key, std::uint16_t cipher, std::span<std::byte> room) {
  static_assert(sizeof(Info) <= 64);
  Info info{};
  info.info.version = key.version == Version::tls_1_3 ? TLS_1_3_VERSION : TLS_1_2_VERSION;
  info.info.cipher_type = cipher;
  std::memcpy(info.iv, key.iv.data(), sizeof info.iv);
  std::memcpy(info.key, key.key.data(), sizeof info.key);
  std::memcpy(info.salt, key.salt.data(), sizeof info.salt);  // 0 bytes for ChaCha20
  std::memcpy(info.rec_seq, key.rec_seq.data(), sizeof info.rec_seq);
  std::memcpy(room.data(), &info, sizeof info);
  wipe(std::as_writable_bytes(std::span(&info, 1)));
  return sizeof info;
}

}  // namespace

KernelKeys::KernelKeys(const TrafficKey& key) {
  switch (key.cipher) {
    case RecordCipher::aes_128_gcm:
      size_ = lay_out<tls12_crypto_info_aes_gcm_128>(key, TLS_CIPHER_AES_GCM_128, bytes_);
      return;
    case RecordCipher::aes_256_gcm:
      size_ = lay_out<tls12_crypto_info_aes_gcm_256>(key, TLS_CIPHER_AES_GCM_256, bytes_);
      return;
    case RecordCipher::chacha20_poly1305:
      size_ = lay_out<tls12_crypto_info_chacha20_poly1305>(key, TLS_CIPHER_CHACHA20_POLY1305, bytes_);
      return;
  }
}

}  // namespace kferry::tls
