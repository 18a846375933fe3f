// The keys that seal session tickets (RFC 5077, RFC 8446 §4.6.1): AES-256-GCM, with a new key every period. Previous
// keys are kept as long as a ticket lives. Shared by the contexts of every listener; any thread. Never stored, so a
// restart, or another replica, requires a full handshake.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/secret.h"

namespace kferry::tls {

inline constexpr std::uint32_t ticket_lifetime_s = 12 * 60 * 60;
inline constexpr std::uint32_t ticket_key_period_s = 60 * 60;
inline constexpr std::size_t ticket_keys_max = ticket_lifetime_s / ticket_key_period_s + 1;
inline constexpr std::size_t ticket_key_name_size = 16;
inline constexpr std::size_t ticket_nonce_size = 12;
inline constexpr std::size_t ticket_tag_size = 16;

class TicketKeys {
 public:
  using Name = std::array<std::byte, ticket_key_name_size>;
  using Nonce = std::array<std::byte, ticket_nonce_size>;
  using Tag = std::array<std::byte, ticket_tag_size>;

  struct Sealed {
    Name name;
    Nonce nonce;
    Tag tag;
  };
  enum class Opened : std::uint8_t { no, yes, yes_renew };

  explicit TicketKeys(Instant now);

  // Makes a new key if the period of the newest one is over, and forgets keys that no valid ticket was sealed with.
  // Cheap enough to be called before each handshake, or by a timer.
  void advance(Instant now);

  // Encrypts in place under the newest key. `bound_to` is authenticated.
  Sealed seal(std::span<std::byte> ticket, std::span<const std::byte> bound_to);
  // Decrypts in place. On `no` the bytes are undefined; `yes_renew` means that the key is not the newest.
  Opened open(std::span<std::byte> ticket, const Sealed& sealed, std::span<const std::byte> bound_to);

  std::size_t size() const;

  // For a process that succeeds this one, so that clients resume across the change.
  struct Handed {
    Name name{};
    Secret key;
    Duration age{};
  };
  std::vector<Handed> hand_over(Instant now) const;  // the newest first
  // Replaces every key. Takes no key of another size, none without any, and none that no valid ticket was sealed with.
  void take_over(std::vector<Handed> keys, Instant now);

 private:
  struct Key {
    Name name;
    Secret key;
    Instant made;
  };

  void add(Instant now);

  mutable std::mutex mutex_;
  std::deque<Key> keys_;  // the newest first
};

}  // namespace kferry::tls
