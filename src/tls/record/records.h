// An open TLS connection without wolfSSL's state: data both ways, alerts, tickets, KeyUpdate (RFC 8446 §4.6, §5, §6;
// RFC 5246 §6, §7.2). wolfSSL shakes hands and is then let go, which saves two copies of every byte and the 10 to
// 40 KB of its state. Bytes to bytes; one thread. Each direction may go on to the kernel (linux/tls.h): then this
// class keeps what a change of keys needs.
//
//   feed(): records ─▶ content        write(): content ─▶ records
//              └─▶ `say`: what is to be sent first: alerts, the answer to a KeyUpdate
//
// Memory: a record that is not whole yet, and nothing between records.
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

// `taken` of the input, `made` into the room given.
struct Moved {
  std::size_t taken = 0;
  std::size_t made = 0;
};

// A record that only the kernel can send, which protects what goes out.
struct OwnRecord {
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

  // As Engine::feed(); returns what it made. What is to be said is put at the end of `say`.
  std::size_t feed(Gather& cipher, std::span<std::byte> plain, Bytes& say);
  bool has_plain() const { return waiting_size_ > 0; }
  // As much of `plain` as fits, in full records; returns their size. Not once sending is the kernel's.
  std::size_t write(Gather& plain, std::span<std::byte> cipher);
  // close_notify.
  void close(Bytes& say);
  void say_alert(AlertLevel level, Alert description, Bytes& say);

  // The other side said close_notify.
  bool ended() const { return ended_; }
  // Why this side ended the connection. The alert for the other side is in `say`.
  const std::optional<Failure>& failure() const { return failure_; }
  // The fatal alert with which the other side ended the connection, never close_notify.
  std::optional<Alert> fatal_alert() const { return fatal_alert_; }
  bool failed() const { return failure_ || fatal_alert_; }
  // How many bytes complete the record that has begun, at least; 0 between records.
  std::size_t record_rest() const;
  // Another key is due for what is sent, and there is none to be had: the connection is to end in order.
  bool key_used_up() const { return key_used_up_; }
  std::size_t held_size() const { return held_.capacity(); }

  // --- a direction that the kernel takes over
  // Those of a direction that is the kernel's already mean nothing.
  TrafficKeys keys() const;
  // `changes_keys`: whether the kernel could take another key later.
  void hand_over(bool sending, bool changes_keys);
  // A record that is no data, as the kernel handed it out.
  void take(RecordType type, std::span<const std::byte> content, Bytes& say);
  // The kernel could not decrypt one.
  void take_forged(Bytes& say);
  // The other side has changed its key, which the kernel cannot: nothing further can be received.
  bool receive_lost() const { return receive_lost_; }
  // The key that the kernel is to receive with from now on, once after each KeyUpdate.
  std::optional<TrafficKey> changed_receive_key();
  // The kernel took the last record for a KeyUpdate and waits for a key, but it was none, or a part of one.
  bool receive_waits() const { return receive_waits_; }
  // What is to be sent through the kernel next; nullopt: nothing. After a KeyUpdate: with the key to send with.
  std::optional<OwnRecord> own_record() const;
  std::optional<TrafficKey> own_record_sent();
  // Bytes that the kernel has sent. At the key's end a KeyUpdate is owed, or else key_used_up().
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
  void take_alert(std::span<const std::byte> content, Bytes& say);
  void take_handshake(std::span<const std::byte> content, Bytes& say);
  bool begin_message(Bytes& say);
  void update_keys(bool requested, Bytes& say);
  void renew_send_key();
  std::size_t seal_key_update(std::span<std::byte> room);
  void put(RecordType type, std::span<const std::byte> content, Bytes& say);

  std::unique_ptr<RecordProtection> send_;     // null: the kernel's
  std::unique_ptr<RecordProtection> receive_;  // likewise
  TrafficSecrets secrets_;
  std::optional<Failure> failure_;
  std::optional<Alert> fatal_alert_;
  Bytes held_;  // a record that is not whole, or one whose content waits for room
  std::size_t waiting_at_ = 0;
  std::size_t waiting_size_ = 0;
  std::uint64_t sent_records_ = 0;  // under this key, as are the next
  std::uint64_t kernel_sent_ = 0;   // bytes
  std::uint64_t records_per_key_;
  std::uint32_t message_rest_ = 0;
  std::array<std::byte, 4> message_header_{};
  std::uint8_t message_header_size_ = 0;
  std::uint8_t dataless_ = 0;               // records without data in a row
  std::optional<AlertContent> owed_alert_;  // to be sent through the kernel
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
