// The versions of TLS that kferry speaks (RFC 5246, RFC 8446).
#pragma once

#include <cstdint>

namespace kferry::tls {

enum class Version : std::uint8_t { tls_1_2, tls_1_3 };

}  // namespace kferry::tls
