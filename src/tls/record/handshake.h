// Constants of handshake messages that several files need (RFC 8446 §4, RFC 5246 §7.4).
#pragma once

#include <cstddef>

namespace kferry::tls::handshake {

// Message types.
inline constexpr unsigned hello_request = 0;
inline constexpr unsigned client_hello = 1;
inline constexpr unsigned server_hello = 2;
inline constexpr unsigned new_session_ticket = 4;
inline constexpr unsigned server_key_exchange = 12;
inline constexpr unsigned client_key_exchange = 16;
inline constexpr unsigned key_update = 24;

// A hello begins with legacy_version and random, before any field that carries its own length.
inline constexpr std::size_t hello_fixed_size = 2 + 32;
inline constexpr unsigned key_share_extension = 51;

}  // namespace kferry::tls::handshake
