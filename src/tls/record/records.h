// An open TLS connection without wolfSSL's state: data both ways, alerts, tickets, KeyUpdate (RFC 8446 §4.6, §5, §6;
// RFC 5246 §6, §7.2). wolfSSL does the handshake, then its state is freed, which saves two copies of every byte and 10
// to 40 KB per connection. Bytes to bytes; one thread. Each direction may be handed over to the kernel (linux/tls.h).
// This class then keeps what a change of keys needs.
//
//   feed(): records ─▶ content        write(): content ─▶ records
//              └─▶ `say`: to be sent first: alerts, the answer to a KeyUpdate
//
// Memory: an incomplete record, and nothing between records.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/failure.h"
#include "base/secret.h"
#include "tls/record/alert.h"
#include "tls/record/failures.h"
#include "tls/record/protection.h"
#include "tls/record/traffic_secret.h"

namespace kferry::tls {

// How much of the input was consumed, and how much was written to the room given.
struct Moved {
  std::size_t taken = 0;
  std::size_t made = 0;
};

// A record for the kernel to send, once it protects this direction.
struct ControlRecord {
  RecordType type = RecordType::alert;
  std::array<std::byte, 5> bytes{};
  std::uint8_t size = 0;

  std::span<const std::byte> content() const { return std::span(bytes).first(size); }
};

class Records {
 public:
  // The keys for the next record of each direction. Without secrets a KeyUpdate ends the connection. After
  // `records_per_key` records the send key is renewed by a KeyUpdate, or else key_used_up().
  Records(const TrafficKeys& keys, const TrafficSecrets& secrets, Remote remote,
          std::uint64_t records_per_key = records_per_key_max);

  // Like Engine::feed(). Returns how much it wrote to `plain`, and appends what is to be sent to `say`.
  std::size_t feed(Gather& cipher, std::span<std::byte> plain, Bytes& say);
  bool has_plain() const { return waiting_size_ > 0; }
  // Encrypts as much of `plain` as fits, in full records, and returns their size. Must not be called once the kernel
  // protects this direction.
  std::size_t write(Gather& plain, std::span<std::byte> cipher);
  // Sends close_notify.
  void close(Bytes& say);
  void say_alert(AlertLevel level, Alert description, Bytes& say);

  // Whether the other side has sent close_notify.
  bool ended() const { return ended_; }
  // Why this side ended the connection. feed() has put the alert for the other side into `say`.
  const std::optional<Failure>& failure() const { return failure_; }
  // The fatal alert with which the other side ended the connection, never close_notify.
  std::optional<Alert> fatal_alert() const { return fatal_alert_; }
  bool failed() const { return failure_ || fatal_alert_; }
  // The minimum number of bytes that complete the current record; 0 between records.
  std::size_t record_rest() const;
  // The send key is exhausted and cannot be renewed: the connection has to be closed in order.
  bool key_used_up() const { return key_used_up_; }
  std::size_t held_size() const { return held_.capacity(); }

  // --- handing a direction over to the kernel
  // The current keys. Not valid for a direction that the kernel already has.
  TrafficKeys keys() const;
  // `changes_keys`: whether the kernel accepts another key later.
  void hand_over(bool sending, bool changes_keys);
  // Handles a non-data record that the kernel decrypted.
  void handle_record(RecordType type, std::span<const std::byte> content, Bytes& say);
  // The kernel could not decrypt a record.
  void handle_forged_record(Bytes& say);
  // The other side has changed its key, which the kernel cannot follow: nothing more can be received.
  bool receive_lost() const { return receive_lost_; }
  // The kernel's next receive key, returned once after each KeyUpdate.
  std::optional<TrafficKey> changed_receive_key();
  // The kernel took the last record for a KeyUpdate and waits for a key, but it was only part of one, or something
  // else.
  bool receive_waits() const { return receive_waits_; }
  // The record that the kernel has to send next; nullopt if there is none. control_record_sent() confirms it, and
  // returns the new send key if the record was a KeyUpdate.
  std::optional<ControlRecord> control_record() const;
  std::optional<TrafficKey> control_record_sent();
  // Counts bytes that the kernel has sent. When the key is exhausted, a KeyUpdate is due, or else key_used_up().
  void sent_by_kernel(std::uint64_t bytes);

 private:
  using AlertContent = std::array<std::byte, 2>;

  bool is_tls_1_3() const { return version_ == Version::tls_1_3; }
  std::size_t next_size(Gather cipher, Bytes& say);
  void hold(Gather& cipher, std::size_t size);
  std::size_t hand_out(std::span<std::byte> plain);
  bool fits(std::size_t size, std::span<std::byte> plain) const;
  std::size_t open(Gather& cipher, std::size_t size, std::span<std::byte> plain, Bytes& say);
  void fail(Failure failure, Alert alert, Bytes& say);
  void refuse(std::string_view what, Alert alert, Bytes& say);
  bool goes_on_with(RecordType type, bool data, Bytes& say);
  void handle_alert(std::span<const std::byte> content, Bytes& say);
  void handle_handshake(std::span<const std::byte> content, Bytes& say);
  bool begin_message(Bytes& say);
  void update_keys(bool requested, Bytes& say);
  void renew_send_key();
  std::size_t seal_key_update(std::span<std::byte> room);
  void put(RecordType type, std::span<const std::byte> content, Bytes& say);

  std::unique_ptr<RecordProtection> send_;     // null once the kernel has the direction
  std::unique_ptr<RecordProtection> receive_;  // the same
  TrafficSecrets secrets_;
  std::optional<Failure> failure_;
  std::optional<Alert> fatal_alert_;
  Bytes held_;  // an incomplete record, or one whose content waits for room
  std::size_t waiting_at_ = 0;
  std::size_t waiting_size_ = 0;
  std::uint64_t sent_records_ = 0;  // under the current key, like kernel_sent_
  std::uint64_t kernel_sent_ = 0;   // bytes
  std::uint64_t records_per_key_;
  std::uint32_t message_rest_ = 0;
  std::array<std::byte, 4> message_header_{};
  std::uint8_t message_header_size_ = 0;
  std::uint8_t dataless_ = 0;               // consecutive records without data
  std::optional<AlertContent> owed_alert_;  // for the kernel to send
  Version version_;
  RecordCipher cipher_;
  Remote remote_;
  bool ended_ = false;
  bool receive_changed_ = false;
  bool receive_lost_ = false;
  bool receive_waits_ = false;
  bool key_update_owed_ = false;
  bool key_used_up_ = false;
};

}  // namespace kferry::tls
