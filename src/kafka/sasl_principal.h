// Reads from a client's first SASL token who it says it is. Pure. What it returns is a claim until the broker has
// accepted the token, and holds nothing else of the token: no password, bearer token, nonce or proof.
//
//   PLAIN (RFC 4616)               the authentication id, not the id to act as
//   SCRAM-… (RFC 5802)             the user; with tokenauth=true the id of a delegation token (KIP-48)
//   OAUTHBEARER (RFC 7628)         `sub` of the token's claims, if it is a JWT (RFC 7519)
//   AWS_MSK_IAM                    the access key id
//   GSSAPI, and whatever else      not read
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace kferry::kafka {

struct ClaimedPrincipal {
  std::string name;  // at most name_max bytes of it; empty: the token does not show it
  bool delegation_token = false;

  static constexpr std::size_t name_max = 128;
};

// `token` is the first one after SaslHandshake, or the beginning of it. Any bytes are acceptable input.
ClaimedPrincipal claimed_principal(std::string_view mechanism, std::span<const std::byte> token);

}  // namespace kferry::kafka
