// Reads the keys of an open connection out of wolfSSL's state, for tls/record/records.h and the kernel.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>

#include "tls/record/traffic_key.h"
#include "tls/record/traffic_secret.h"

struct WOLFSSL;

namespace kferry::tls {

// The explicit nonce of the last record that wolfSSL sent. Valid in TLS 1.2 with AES-GCM.
using SentNonce = std::array<std::byte, 8>;

// Must be called between records. nullopt if RecordCipher does not include the suite's AEAD.
std::optional<TrafficKeys> keys_of(WOLFSSL* ssl, Version version, bool server, const SentNonce& sent);

// Makes wolfSSL write TLS 1.3's application traffic secrets to `secrets` during the handshake. They stay empty if
// wolfSSL was built without that. `secrets` must outlive the handshake.
void note_secrets(WOLFSSL* ssl, TrafficSecrets& secrets);

}  // namespace kferry::tls
