// The client's side of SASL for kferry's own discovery: bytes to bytes, no I/O. PLAIN (RFC 4616) and
// SCRAM-SHA-256/512 (RFC 5802, RFC 7677) without channel binding. A client's own session never passes here:
// its tokens flow through.
//
//   PLAIN  start() ─▶ send ── on_challenge(empty) ─▶ done
//   SCRAM  start() ─▶ send ── on_challenge(server-first) ─▶ derive ── on_derived() ─▶ send
//                                                                  ── on_challenge(server-final) ─▶ done
//   anything else the server says ─▶ failed, for good
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "proxy/key_derivation.h"
#include "tls/digests.h"

namespace kferry::proxy {

// A server that asks for fewer iterations than RFC 7677 requires wants our password cheaply; one that asks
// for more wants our time.
inline constexpr std::uint32_t scram_iterations_min = 4096;
// Kafka's brokers store 16384 at most. Keys are derived off the workers; this many take a tenth of a second.
inline constexpr std::uint32_t scram_iterations_max = 100'000;

class SaslClient {
 public:
  // Printable ASCII without ','; a fresh random one by default. For tests.
  using NonceSource = std::function<std::string()>;

  // The error names the mechanism that is not known, or the credential that cannot be sent.
  static std::expected<SaslClient, std::string> make(const config::SaslCredentials& credentials,
                                                     NonceSource nonce = {});
  SaslClient(SaslClient&&) = default;
  SaslClient& operator=(SaslClient&&) = default;
  ~SaslClient();

  enum class Outcome : std::uint8_t { send, derive, done, failed };
  struct Step {
    Outcome outcome = Outcome::failed;
    std::vector<std::byte> token;     // send: goes to the server. May hold the password: wipe it when sent
    std::string failure;              // failed: why, for an operator; never a secret
    std::optional<KeyOrder> order{};  // derive: the key that on_derived() takes
  };

  // The name for SaslHandshake.
  const std::string& mechanism() const { return mechanism_; }
  // The first token. Once.
  Step start();
  // What the server answered to the last token.
  Step on_challenge(std::span<const std::byte> challenge);
  // The key that the last step has ordered.
  Step on_derived(const tls::Digest& salted_password);

 private:
  enum class State : std::uint8_t { initial, sent_password, sent_first, deriving, sent_proof, done, failed };

  SaslClient() = default;
  Step fail(std::string why);
  Step on_server_first(std::string_view message);
  Step on_server_final(std::string_view message);

  std::string mechanism_;
  std::optional<tls::Hash> hash_;  // none: PLAIN
  std::string username_;
  std::string password_;
  NonceSource nonce_source_;
  State state_ = State::initial;
  std::string nonce_;
  std::string client_first_bare_;
  std::string server_first_;   // valid while deriving
  std::string without_proof_;  // the same: the final message up to its proof
  std::optional<tls::Digest> server_signature_;
};

}  // namespace kferry::proxy
