// Failures for records that end a TLS connection, worded for a person. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/failure.h"

namespace kferry::tls {

// Which kind of peer the other end is.
enum class Remote : std::uint8_t { client, broker };

// "the client", "the broker".
std::string who(Remote remote);

// A record that does not decrypt.
Failure forged_record(Remote remote);
// A record of an open connection that breaks the protocol. The text is "a TLS record of the client " and `what`.
Failure malformed_record(Remote remote, std::string_view what);

}  // namespace kferry::tls
