#include "tls/record/records.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/assert.h"
#include "tls/record/handshake.h"

namespace kferry::tls {
namespace {

// Handshake message types, as bytes.
constexpr std::byte hello_request{handshake::hello_request};
constexpr std::byte client_hello{handshake::client_hello};
constexpr std::byte new_session_ticket{handshake::new_session_ticket};
constexpr std::byte key_update{handshake::key_update};
constexpr std::array<std::byte, 5> key_update_message{key_update, std::byte{0}, std::byte{0}, std::byte{1},
                                                      std::byte{0}};
// A NewSessionTicket can hold 64 KiB of ticket and as much of extensions. A ClientHello is smaller.
constexpr std::uint32_t message_size_max = 2 * 65536 + 300;
// A peer that sends more consecutive records without data only wants to keep us busy.
constexpr std::uint8_t dataless_max = 32;

}  // namespace

Records::Records(const TrafficKeys& keys, const TrafficSecrets& secrets, Remote remote,
                 std::uint64_t records_per_key)
    : send_(std::make_unique<RecordProtection>(keys.send)),
      receive_(std::make_unique<RecordProtection>(keys.receive)),
      secrets_(secrets),
      records_per_key_(records_per_key),
      version_(keys.send.version),
      cipher_(keys.send.cipher),
      remote_(remote) {}

// --- failures and alerts

void Records::fail(Failure failure, Alert alert, Bytes& say) {
  if (failed()) return;
  failure_ = std::move(failure);
  say_alert(AlertLevel::fatal, alert, say);
}

void Records::refuse(std::string_view what, Alert alert, Bytes& say) {
  fail(malformed_record(remote_, what), alert, say);
}

void Records::put(RecordType type, std::span<const std::byte> content, Bytes& say) {
  const std::size_t before = say.size();
  say.resize(before + content.size() + send_->overhead());
  send_->seal(type, content, std::span(say).subspan(before));
}

void Records::say_alert(AlertLevel level, Alert description, Bytes& say) {
  const AlertContent content{static_cast<std::byte>(level), static_cast<std::byte>(description)};
  if (send_ == nullptr) {
    owed_alert_ = content;
  } else {
    put(RecordType::alert, content, say);
  }
}

void Records::close(Bytes& say) {
  say_alert(AlertLevel::warning, Alert::close_notify, say);
}

// --- receiving

std::size_t Records::feed(Gather& cipher, std::span<std::byte> plain, Bytes& say) {
  std::size_t made = 0;
  while (!failed() && !ended_) {
    made += hand_out(plain.subspan(made));
    if (has_plain()) break;
    const std::size_t size = next_size(cipher, say);
    if (failed()) break;
    if (size == 0 || held_.size() + cipher.size() < size) {
      held_.reserve(size);
      hold(cipher, cipher.size());
      break;
    }
    if (made > 0 && !fits(size, plain.subspan(made))) break;  // there will be room next time
    made += open(cipher, size, plain.subspan(made), say);
    if (!has_plain()) held_.clear();
  }
  if (ended_) cipher.skip(cipher.size());
  if (held_.empty() || ended_) Bytes().swap(held_);  // frees the memory
  return made;
}

std::size_t Records::hand_out(std::span<std::byte> plain) {
  const std::size_t size = std::min(waiting_size_, plain.size());
  std::copy_n(held_.begin() + static_cast<std::ptrdiff_t>(waiting_at_), size, plain.begin());
  waiting_at_ += size;
  waiting_size_ -= size;
  if (waiting_size_ == 0 && waiting_at_ > 0) {
    held_.clear();
    waiting_at_ = 0;
  }
  return size;
}

// The size of the record that begins in held_, or else in the input; 0 if its header is incomplete or wrong.
std::size_t Records::next_size(Gather cipher, Bytes& say) {
  std::array<std::byte, record_header_size> header;
  const auto held = std::span(held_).first(std::min(held_.size(), header.size()));
  if (held.size() + cipher.size() < header.size()) return 0;
  std::ranges::copy(held, header.begin());
  cipher.take(std::span(header).subspan(held.size()));
  if (is_tls_1_3() && header[0] != static_cast<std::byte>(RecordType::data)) {
    refuse(
        "is of type " + std::to_string(std::to_integer<unsigned>(header[0])) + ", which is not allowed here",
        Alert::unexpected_message, say);
    return 0;
  }
  const std::size_t size = receive_->record_size(header);
  if (size == 0) refuse("has an invalid length", Alert::record_overflow, say);
  return size;
}

void Records::hold(Gather& cipher, std::size_t size) {
  cipher.take_runs(
      size, [&](std::span<const std::byte> run) { held_.insert(held_.end(), run.begin(), run.end()); });
}

// Whether a record of this size can be opened into this room. Otherwise it is opened in place in held_.
bool Records::fits(std::size_t size, std::span<std::byte> plain) const {
  return plain.size() >= size - receive_->overhead() + 1;
}

// Opens the record that begins in held_ and continues in `cipher`. Returns how much data it wrote to `plain`. The rest
// waits in held_.
std::size_t Records::open(Gather& cipher, std::size_t size, std::span<std::byte> plain, Bytes& say) {
  const bool in_place = !fits(size, plain);
  const std::size_t rest = size - held_.size();
  if (in_place) hold(cipher, rest);
  const auto room = in_place ? std::span(held_).subspan(receive_->content_offset()) : plain;
  Gather record(held_, cipher);
  const auto opened = receive_->open(record, size, room);
  if (!in_place) cipher.skip(rest);
  if (!opened) {
    handle_forged_record(say);
    return 0;
  }
  if (opened->size > record_plain_max) {
    refuse("is larger than a record may be", Alert::record_overflow, say);
    return 0;
  }
  if (opened->type != RecordType::data) {
    handle_record(opened->type, room.first(opened->size), say);
    return 0;
  }
  if (!goes_on_with(opened->type, opened->size > 0, say)) return 0;
  if (!in_place) return opened->size;
  waiting_at_ = receive_->content_offset();
  waiting_size_ = opened->size;
  return hand_out(plain);
}

std::size_t Records::record_rest() const {
  if (held_.empty() || has_plain() || receive_ == nullptr || failed()) return 0;
  if (held_.size() < record_header_size) return record_header_size - held_.size();
  return receive_->record_size(std::span(held_).first<record_header_size>()) - held_.size();
}

// Whether a record of this type is allowed now. If not, the connection has failed.
bool Records::goes_on_with(RecordType type, bool data, Bytes& say) {
  const bool in_message = message_header_size_ > 0 || message_rest_ > 0;
  if (in_message && type != RecordType::handshake) {
    refuse("interrupts a handshake message", Alert::unexpected_message, say);
  } else if (data) {
    dataless_ = 0;
  } else if (++dataless_ > dataless_max) {
    refuse("is one of too many without data", Alert::unexpected_message, say);
  }
  return !failed();
}

void Records::handle_record(RecordType type, std::span<const std::byte> content, Bytes& say) {
  receive_waits_ = false;
  if (failed() || ended_ || !goes_on_with(type, false, say)) return;
  switch (type) {
    case RecordType::alert:
      return handle_alert(content, say);
    case RecordType::handshake:
      if (content.empty()) return refuse("with a handshake message is empty", Alert::unexpected_message, say);
      handle_handshake(content, say);
      // The kernel looks only at the first byte, even in the middle of a message.
      receive_waits_ = receive_ == nullptr && !secrets_.receive.empty() && content[0] == key_update &&
                       is_tls_1_3() && !receive_changed_;
      return;
    default:
      return refuse(
          "is of type " + std::to_string(static_cast<unsigned>(type)) + ", which is not allowed here",
          Alert::unexpected_message, say);
  }
}

void Records::handle_forged_record(Bytes& say) {
  fail(forged_record(remote_), Alert::bad_record_mac, say);
}

void Records::handle_alert(std::span<const std::byte> content, Bytes& say) {
  if (content.size() != 2) return refuse("with an alert has an invalid length", Alert::decode_error, say);
  const auto level = static_cast<AlertLevel>(content[0]);
  const auto description = static_cast<Alert>(content[1]);
  if (description == Alert::close_notify) {
    ended_ = true;
    return;
  }
  // TLS 1.3 has no other warnings.
  if (description == Alert::user_canceled || (level == AlertLevel::warning && !is_tls_1_3())) return;
  fatal_alert_ = description;  // not answered: the other side has closed
}

void Records::handle_handshake(std::span<const std::byte> content, Bytes& say) {
  while (!content.empty() && !failed()) {
    if (message_rest_ > 0) {
      const std::size_t part = std::min<std::size_t>(message_rest_, content.size());
      // The single byte of a KeyUpdate. The content of other messages is skipped.
      if (message_header_[0] == key_update && is_tls_1_3()) {
        const unsigned request = std::to_integer<unsigned>(content[0]);
        if (request > 1 || content.size() > 1)
          return refuse("has a malformed KeyUpdate", Alert::illegal_parameter, say);
        update_keys(request == 1, say);
      }
      message_rest_ -= static_cast<std::uint32_t>(part);
      content = content.subspan(part);
      continue;
    }
    message_header_[message_header_size_++] = content[0];
    content = content.subspan(1);
    if (message_header_size_ < message_header_.size()) continue;
    message_header_size_ = 0;
    if (!begin_message(say)) return;
  }
}

// Handles a complete message header. False: the connection has failed.
bool Records::begin_message(Bytes& say) {
  const auto byte = [&](std::size_t i) { return std::to_integer<std::uint32_t>(message_header_[i]); };
  message_rest_ = byte(1) << 16 | byte(2) << 8 | byte(3);
  const std::byte type = message_header_[0];
  if (message_rest_ > message_size_max) {
    refuse("has a handshake message that is too long", Alert::decode_error, say);
  } else if (is_tls_1_3() && type == key_update) {
    if (message_rest_ != 1) refuse("has a malformed KeyUpdate", Alert::decode_error, say);
  } else if (is_tls_1_3() && type == new_session_ticket && remote_ == Remote::broker) {
    if (message_rest_ == 0) refuse("has a malformed NewSessionTicket", Alert::decode_error, say);
  } else if (!is_tls_1_3() && type == hello_request && remote_ == Remote::broker) {
    if (message_rest_ != 0) refuse("has a malformed HelloRequest", Alert::decode_error, say);
    // A client may ignore it (RFC 5246 §7.4.1.1).
  } else if (!is_tls_1_3() && type == client_hello && remote_ == Remote::client) {
    say_alert(AlertLevel::warning, Alert::no_renegotiation, say);
  } else {
    refuse("has a handshake message of type " + std::to_string(std::to_integer<unsigned>(type)) +
               ", which is not allowed here",
           Alert::unexpected_message, say);
  }
  return !failed();
}

void Records::update_keys(bool requested, Bytes& say) {
  if (secrets_.receive.empty() && receive_ == nullptr) {
    receive_lost_ = true;
    return;
  }
  if (secrets_.receive.empty())
    return fail(
        {"tls_key_update",
         who(remote_) +
             " changes its TLS keys, which this build of wolfSSL cannot follow: build kferry by ./dev build"},
        Alert::internal_error, say);
  secrets_.receive.advance();
  if (receive_ == nullptr) {
    receive_changed_ = true;
  } else {
    receive_ = std::make_unique<RecordProtection>(secrets_.receive.key(cipher_));
  }
  if (requested) renew_send_key();
  if (send_ == nullptr || !key_update_owed_) return;
  say.resize(say.size() + key_update_message.size() + send_->overhead());
  seal_key_update(std::span(say).last(key_update_message.size() + send_->overhead()));
}

// --- sending

void Records::renew_send_key() {
  (secrets_.send.empty() ? key_used_up_ : key_update_owed_) = true;
}

std::size_t Records::seal_key_update(std::span<std::byte> room) {
  const std::size_t size = send_->seal(RecordType::handshake, key_update_message, room);
  secrets_.send.advance();
  send_ = std::make_unique<RecordProtection>(secrets_.send.key(cipher_));
  sent_records_ = 0;
  key_update_owed_ = false;
  return size;
}

std::size_t Records::write(Gather& plain, std::span<std::byte> cipher) {
  std::size_t made = 0;
  while (plain.size() > 0) {
    if (sent_records_ >= records_per_key_ && !key_used_up_) renew_send_key();
    const auto room = cipher.subspan(made);
    if (key_update_owed_) {
      if (room.size() < key_update_message.size() + send_->overhead()) break;
      made += seal_key_update(room);
      continue;
    }
    if (room.size() <= send_->overhead()) break;
    const std::size_t size = std::min({plain.size(), record_plain_max, room.size() - send_->overhead()});
    made += send_->seal(RecordType::data, plain, size, room);
    ++sent_records_;
  }
  return made;
}

// --- kernel TLS

// Counted by bytes rather than records, because a key wears out by how much it has encrypted.
void Records::sent_by_kernel(std::uint64_t bytes) {
  kernel_sent_ += bytes;
  if (kernel_sent_ / record_plain_max >= records_per_key_) renew_send_key();
}

TrafficKeys Records::keys() const {
  return {send_ == nullptr ? TrafficKey() : send_->key(),
          receive_ == nullptr ? TrafficKey() : receive_->key()};
}

void Records::hand_over(bool sending, bool changes_keys) {
  if (sending) kernel_sent_ = sent_records_ * record_plain_max;
  (sending ? send_ : receive_).reset();
  if (!changes_keys) (sending ? secrets_.send : secrets_.receive) = {};
}

std::optional<TrafficKey> Records::changed_receive_key() {
  if (!std::exchange(receive_changed_, false)) return std::nullopt;
  return secrets_.receive.key(cipher_);
}

std::optional<ControlRecord> Records::control_record() const {
  if (send_ != nullptr) return std::nullopt;
  ControlRecord record;
  if (key_update_owed_) {
    record.type = RecordType::handshake;
    record.bytes = key_update_message;
    record.size = key_update_message.size();
    return record;
  }
  if (!owed_alert_) return std::nullopt;
  std::ranges::copy(*owed_alert_, record.bytes.begin());
  record.size = static_cast<std::uint8_t>(owed_alert_->size());
  return record;
}

std::optional<TrafficKey> Records::control_record_sent() {
  if (!key_update_owed_) {
    owed_alert_.reset();
    return std::nullopt;
  }
  key_update_owed_ = false;
  kernel_sent_ = 0;
  secrets_.send.advance();
  return secrets_.send.key(cipher_);
}

}  // namespace kferry::tls
