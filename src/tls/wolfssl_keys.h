// What wolfSSL knows of an open connection's keys, read out of its state for tls/record/records.h and the kernel.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>

#include "tls/record/traffic_key.h"
#include "tls/record/traffic_secret.h"

struct WOLFSSL;

namespace kferry::tls {

// The explicit nonce of the last record that wolfSSL sent, should it be TLS 1.2's AES-GCM.
using SentNonce = std::array<std::byte, 8>;

// Between records. nullopt: the suite has no AEAD that RecordCipher names.
std::optional<TrafficKeys> keys_of(WOLFSSL* ssl, Version version, bool server, const SentNonce& sent);

// Has wolfSSL tell `secrets` of TLS 1.3's application traffic secrets, which it does within the handshake; they
// stay empty where it was built without that. `secrets` outlives the handshake.
void note_secrets(WOLFSSL* ssl, TrafficSecrets& secrets);

}  // namespace kferry::tls
