// One TLS connection, bytes to bytes: ciphertext in, plaintext out, and back. Never does I/O and knows no
// time; works under every split of its input. Owned by one thread. wolfSSL shakes hands; then, where the suite has an
// AEAD, its keys go to tls/record/records.h, which does the rest, and its state is let go.
//
//                feed(ciphertext, room)                         write(plaintext, room)
//   socket ────────────────────────────▶ plaintext   plaintext ────────────────────────▶ socket
//            └─▶ to_send(): handshake, alerts, answers to KeyUpdate; goes out before what write() makes next
//
//   handshaking ──▶ open ──▶ ended      the other side said close_notify; writing may go on
//        └───────────┴─────▶ failed     failure() says why; to_send() may still hold the alert
//
// Memory: until a whole ClientHello is there (client_hello_size_max), its bytes; then wolfSSL's state, during the
// handshake; one record (16 KiB) that is not whole at most; and what to_send() holds, at pending_size_max of which
// feed() takes nothing more.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/failure.h"
#include "tls/client_hello.h"
#include "tls/context.h"
#include "tls/failures.h"
#include "tls/record/framing.h"
#include "tls/record/records.h"
#include "tls/wolfssl_keys.h"
#include "x509/trust.h"

struct WOLFSSL;
struct WOLFSSL_X509_STORE_CTX;

namespace kferry::tls {

// Header, explicit nonce, padding and tag of the most wasteful cipher offered.
inline constexpr std::size_t record_overhead_max = 96;
inline constexpr std::size_t pending_size_max = 64 * 1024;

struct Negotiated {
  Version version = Version::tls_1_3;
  std::string cipher;        // OpenSSL's name
  std::string curve;         // as wolfSSL calls it; empty where a session was resumed without one
  std::string server_name;   // what the client asked for; for a client engine, what it sent
  std::string peer_subject;  // RFC 2253; empty without a certificate, or in a resumed session
  bool resumed = false;
};

class Engine {
 public:
  // Which context serves a name.
  struct Chosen {
    Chosen(std::shared_ptr<const ServerContext> found) : context(std::move(found)) {}  // NOLINT(*-explicit-*)
    Chosen(Failure why_not) : refusal(std::move(why_not)) {}                           // NOLINT(*-explicit-*)

    // Null without a refusal: nobody serves the name, and the client is told unrecognized_name.
    std::shared_ptr<const ServerContext> context;
    // Whoever serves it cannot: the client is told internal_error, upon which it may try again.
    std::optional<Failure> refusal;
  };
  // Empty: the client sent no name. Called at most once, from within feed().
  using Choose = std::function<Chosen(std::string_view server_name)>;

  enum class State : std::uint8_t { handshaking, open, ended, failed };

  using Moved = tls::Moved;

  static std::unique_ptr<Engine> server(Choose choose);
  // `host` is the name or address that was dialled: it is verified, sent as SNI if it is a name, and with
  // `port` the key of the session to resume. The ClientHello is in to_send() at once.
  // `may_resume`: a session that was kept may be offered.
  static std::unique_ptr<Engine> client(std::shared_ptr<const ClientContext> context, std::string host,
                                        std::uint16_t port, bool may_resume = true);

  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  // Takes received bytes; returns how many it made of them. Takes fewer than given only when `plain` has no room for
  // the next record, when to_send() holds too much, or after a failure; call again with the rest, or with nothing
  // while has_plain(). Room for record_plain_max + 1 spares a copy. After `ended`, everything is taken and dropped, as
  // RFC 8446 §6.1 has it.
  std::size_t feed(Gather& cipher, std::span<std::byte> plain);
  Moved feed(std::span<const std::byte> cipher, std::span<std::byte> plain) {
    Gather all(cipher);
    const std::size_t made = feed(all, plain);
    return {cipher.size() - all.size(), made};
  }
  // Decrypted bytes wait for room.
  bool has_plain() const;

  // Encrypts as much of `plain` as fits into `cipher` (at least record_overhead_max + 1), in full records, after
  // what to_send() holds. Only when open or ended, and not after close().
  Moved write(Gather& plain, std::span<std::byte> cipher);
  Moved write(std::span<const std::byte> plain, std::span<std::byte> cipher) {
    Gather all(plain);
    return write(all, cipher);
  }

  std::span<const std::byte> to_send() const;
  void sent(std::size_t size);

  // Queues close_notify. Nothing can be written after it; reading goes on.
  void close();
  bool closed() const { return closed_; }
  // The socket's end came. A failure unless close_notify had come before.
  void end_of_input();

  State state() const { return state_; }
  // Of a failed engine.
  const Failure& failure() const { return failure_; }
  // Once open.
  const Negotiated& negotiated() const { return negotiated_; }
  // Where the handshake stands, for a time-out's log line.
  std::string handshake_state() const;

  // How many bytes complete the record that has begun, at least; 0 between records.
  std::size_t record_rest() const;
  // The records once wolfSSL has been let go; null before, and with suites that stay with it. Its keys are those of
  // the kernel's next record: `receive` at record_rest() == 0, without has_plain(), with every byte received so far
  // fed; `send` only once to_send() is empty and before close().
  const Records* records() const { return records_.get(); }
  // Gives a direction to the kernel for good; `changes_keys`: the kernel could take another key later.
  void hand_over(bool sending, bool changes_keys) { records_->hand_over(sending, changes_keys); }
  // --- with a direction that is the kernel's
  // A record that is no data, as the kernel handed it out.
  void take(RecordType type, std::span<const std::byte> content);
  // One that the kernel could not decrypt.
  void take_forged();
  // See tls/record/records.h.
  std::optional<TrafficKey> changed_receive_key() { return records_->changed_receive_key(); }
  bool receive_waits() const { return records_ != nullptr && records_->receive_waits(); }
  std::optional<OwnRecord> own_record() const;
  std::optional<TrafficKey> own_record_sent() { return records_->own_record_sent(); }
  void sent_by_kernel(std::uint64_t bytes) { records_->sent_by_kernel(bytes); }
  bool receive_lost() const { return records_ != nullptr && records_->receive_lost(); }
  bool key_used_up() const { return records_ != nullptr && records_->key_used_up(); }
  // Whether a failure may be due to the session that was offered: the same broker may take a full handshake, on a new
  // connection. Of a failed client engine.
  bool failed_on_resumption() const { return offered_session_ && !opened_ && !verdict_; }
  // Whether any bytes have come.
  bool heard() const { return heard_; }
  // Bytes this engine keeps outside wolfSSL.
  std::size_t held_size() const {
    return hello_.capacity() + pending_.capacity() + (records_ == nullptr ? 0 : records_->held_size());
  }

 private:
  struct FreeSsl {
    void operator()(WOLFSSL* ssl) const;
  };

  explicit Engine(Remote remote) : remote_(remote) {}

  void fail(Failure failure);
  void fail_by_library(int result);
  void fail_unasked();
  Breakdown breakdown_now() const;
  void begin(WOLFSSL* ssl);
  void read_hello(std::span<const std::byte> cipher);
  void serve();
  void alert(Alert description);
  bool take_steps();
  void on_open();
  bool take_over();
  void follow_records();
  std::size_t feed_records(Gather& cipher, std::span<std::byte> plain);
  Moved feed_piece(std::span<const std::byte> cipher, std::span<std::byte> plain);
  void keep_session();
  void note_nonce(std::span<const std::byte> records);
  void receive_plain(std::span<std::byte> plain, Moved& moved);
  void write_by_library(Gather& plain);

  static int on_receive(WOLFSSL* ssl, char* room, int size, void* engine);
  static int on_send(WOLFSSL* ssl, char* bytes, int size, void* engine);
  static int on_ticket(WOLFSSL* ssl, const unsigned char* ticket, int size, void* engine);
  static int on_verify(int verified, WOLFSSL_X509_STORE_CTX* store);
  bool accepts(const WOLFSSL_X509_STORE_CTX& store);
  void judge(const WOLFSSL_X509_STORE_CTX& store);
  void say_alert(Alert description);

  // The contexts outlive the state that refers to them: declared before it.
  std::shared_ptr<const ServerContext> server_context_;
  std::shared_ptr<const ClientContext> client_context_;
  std::unique_ptr<WOLFSSL, FreeSsl> ssl_;
  Choose choose_;
  std::string host_;
  std::string session_name_;

  std::unique_ptr<ClientHelloReader> hello_reader_;  // of a server, until the ClientHello is complete
  Bytes hello_;                                      // received before there was a wolfSSL state
  std::size_t hello_at_ = 0;                         // what of it wolfSSL has taken
  std::span<const std::byte> in_;                    // during feed()
  std::span<std::byte> out_;                         // during write()
  Bytes pending_;
  std::unique_ptr<Records> records_;
  TrafficSecrets secrets_;  // until they are the records'
  std::size_t pending_at_ = 0;

  ClientHello client_hello_;
  Negotiated negotiated_;
  Failure failure_;
  std::optional<x509::Verdict> verdict_;  // on the other side's certificates, once they have come
  std::int64_t good_until_s_ = 0;  // of that verdict, or of the one that the offered session began with
  int certificate_error_ = 0;      // wolfSSL's, which no verdict overrides
  RecordFraming framing_;          // of what wolfSSL has taken
  SentNonce sent_nonce_{};
  Remote remote_;
  State state_ = State::handshaking;
  bool closed_ = false;
  bool finished_ = false;  // wolfSSL's state is spent: both sides said close_notify
  bool heard_ = false;
  bool has_identity_ = true;      // false for a client engine without a certificate to show
  bool foreign_ = false;          // the broker answered, but not in TLS
  bool unasked_ = false;          // the client sent a certificate to a listener that asks for none
  bool alert_said_ = false;       // by say_alert(): wolfSSL's own is not sent
  bool leaf_accepted_ = false;    // the verify callback was called for the leaf, and is again
  bool offered_session_ = false;  // a client's ClientHello asks to resume one
  bool opened_ = false;
  bool ticket_came_ = false;
  bool data_came_ = false;
};

}  // namespace kferry::tls
