// Judges a peer's certificate chain: builds and validates paths with OpenSSL's libcrypto (RFC 5280), against one set of
// trust anchors and revocation lists. A TrustStore is immutable, so any thread may use it, and verdicts do not
// influence each other. Never does I/O and reads no clock: the time is an argument.
//
//   certificates of a trust store ─┬─ authorities ──────▶ may sign others; one path to one of them is enough
//                                  ├─ pinned ───────────▶ not an authority: vouches for itself only
//                                  └─ left out ─────────▶ cannot serve at all; reported as a Note
//   revocation lists ──────────────── if there are any, every certificate below the anchor needs a current list of its
//                                     issuer
//
// Accepted beyond RFC 5280, because brokers and clients accept it: an authority that is not self-signed as an
// anchor, a leaf of X.509 version 1, a version 1 root for brokers (with a Note), a chain in any order with strays and
// duplicates in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/failure.h"
#include "base/secret.h"
#include "x509/subject_rule.h"

namespace kferry::x509 {

// How many certificates a peer may send, and a path may have below its anchor. Chains of 16 are in use, and some
// include their root or unrelated certificates.
inline constexpr std::size_t chain_size_max = 20;

// The minimum number of bits of a key that signs a handshake.
inline constexpr int key_bits_max = 8192;

// Whose certificates are judged. If a certificate has an extended key usage, a client's must include clientAuth, a
// broker's serverAuth.
enum class Role : std::uint8_t { client, broker };

// A part of a trust store or list that is left out, or treated differently from what its owner may expect.
struct Note {
  std::string_view cause;  // as in Failure
  std::string text;        // names the part by its subject or issuer, and the remedy
  // Whether the part is unusable now: expired, malformed or revoked. Otherwise its use is limited.
  bool unusable = false;
};

struct TrustSettings {
  Role role = Role::client;
  std::vector<Bytes> certificates{};    // DER
  std::vector<Bytes> revocations{};     // DER; empty: revocation is not checked
  std::vector<SubjectRule> subjects{};  // the peer's own subject must match one of them; empty: any
};

// The question about one chain.
struct Question {
  std::span<const std::span<const std::byte>> chain;  // DER, the peer's own certificate first; not empty
  std::int64_t now_s = 0;                             // Unix time
  std::string_view host{};                            // the name or address that was dialled; empty: any
};

// An objection to a chain, with the TLS alert for the peer (RFC 8446 §6.2).
struct Objection {
  std::string_view cause;  // "certificate_expired", "certificate_untrusted", "certificate_revoked", …
  std::string text;        // completes "the client's certificate of SUBJECT ", ends in the remedy
  std::uint8_t alert = 0;
};

struct Verdict {
  // There is no objection if its `cause` is empty.
  Objection objection{};
  bool good() const { return objection.cause.empty(); }

  std::string subject{};            // of the peer's certificate, RFC 2253; empty if it cannot be parsed
  std::vector<std::size_t> path{};  // which of the chain's certificates the path uses, the leaf (0) first
  std::int64_t good_until_s = 0;    // the earliest notAfter or nextUpdate on the path; Unix time
};

class TrustStore {
 public:
  // Fails if no certificate can ever vouch for anything ("authority_unusable"), or if no list is usable
  // ("revocations_unusable"). Appends a Note for each part that is left out or limited at `now_s`.
  static std::expected<std::shared_ptr<const TrustStore>, Failure> make(const TrustSettings& settings,
                                                                        std::int64_t now_s,
                                                                        std::vector<Note>& notes);
  ~TrustStore();
  TrustStore(const TrustStore&) = delete;
  TrustStore& operator=(const TrustStore&) = delete;

  Verdict judge(const Question& question) const;

  // Whether any certificate can vouch for anything at `now_s`, judging by its own validity.
  bool vouches(std::int64_t now_s) const;
  // Unix time: when the validity of a certificate or list begins or ends next after `now_s`; the largest number if
  // never.
  std::int64_t next_change_s(std::int64_t now_s) const;

 private:
  struct Impl;
  explicit TrustStore(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace kferry::x509
