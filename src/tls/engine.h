// One TLS connection, bytes to bytes: ciphertext in, plaintext out, and back. Never does I/O, reads no clock, and
// accepts its input in any pieces. Belongs to one thread. wolfSSL does the handshake. Then, if the suite has an AEAD,
// Records (tls/record/records.h) takes over its keys, and wolfSSL's state is freed.
//
//                feed(ciphertext, room)                         write(plaintext, room)
//   socket ────────────────────────────▶ plaintext   plaintext ────────────────────────▶ socket
//            └─▶ to_send(): handshake, alerts, answers to KeyUpdate; sent before the next output of write()
//
//   handshaking ──▶ open ──▶ ended      the other side sent close_notify; this side may still write
//        └───────────┴─────▶ failed     failure() gives the reason; to_send() may still hold the alert
//
// Memory: the bytes of the ClientHello until it is complete (at most client_hello_size_max), then wolfSSL's state until
// the handshake is done; at most one incomplete record (16 KiB); and what to_send() holds. At pending_size_max of that,
// feed() takes no more input.
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
#include "x509/description.h"
#include "x509/trust.h"

struct WOLFSSL;
struct WOLFSSL_X509_STORE_CTX;

namespace kferry::tls {

// Header, explicit nonce, padding and tag of the least efficient cipher offered.
inline constexpr std::size_t record_overhead_max = 96;
inline constexpr std::size_t pending_size_max = 64 * 1024;

struct Negotiated {
  Version version = Version::tls_1_3;
  std::string cipher;       // OpenSSL's name
  std::string curve;        // wolfSSL's name; empty if a session was resumed without a key exchange
  std::string server_name;  // the name that the client sent
  bool resumed = false;
};

class Engine {
 public:
  // Which context serves a server name.
  struct Chosen {
    Chosen(std::shared_ptr<const ServerContext> found) : context(std::move(found)) {}  // NOLINT(*-explicit-*)
    Chosen(Failure why_not) : refusal(std::move(why_not)) {}                           // NOLINT(*-explicit-*)

    // Null without a refusal: no context serves the name, and the client gets the alert unrecognized_name.
    std::shared_ptr<const ServerContext> context;
    // Set if the name is known and cannot be served now. The client gets the alert internal_error, and may try again.
    std::optional<Failure> refusal;
    // What the client's certificate says of itself is kept for client_certificate().
    bool describes_client = false;
  };
  // The name is empty if the client sent none. Called at most once, from within feed().
  using Choose = std::function<Chosen(std::string_view server_name)>;

  enum class State : std::uint8_t { handshaking, open, ended, failed };

  using Moved = tls::Moved;

  static std::unique_ptr<Engine> server(Choose choose);
  // `host` is the dialled name or address. It is verified, and sent as SNI if it is a name. With `port` it identifies
  // the session to resume. The ClientHello is in to_send() at once. `may_resume`: a stored session may be offered.
  static std::unique_ptr<Engine> client(std::shared_ptr<const ClientContext> context, std::string host,
                                        std::uint16_t port, bool may_resume = true);

  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  // Takes received bytes, and returns how many bytes it wrote to `plain`. Takes fewer than given only if `plain` has no
  // room for the next record, if to_send() holds too much, or after a failure. Call it again with the rest, or with
  // nothing while has_plain(). Room for record_plain_max + 1 bytes saves a copy. Once `ended`, it takes and drops
  // everything (RFC 8446 §6.1).
  std::size_t feed(Gather& cipher, std::span<std::byte> plain);
  Moved feed(std::span<const std::byte> cipher, std::span<std::byte> plain) {
    Gather all(cipher);
    const std::size_t made = feed(all, plain);
    return {cipher.size() - all.size(), made};
  }
  // Whether decrypted bytes wait for room.
  bool has_plain() const;

  // Moves what to_send() holds into `cipher` (at least record_overhead_max + 1 bytes), then encrypts as much of `plain`
  // as fits, in full records. Only while open or ended, and not after close().
  Moved write(Gather& plain, std::span<std::byte> cipher);
  Moved write(std::span<const std::byte> plain, std::span<std::byte> cipher) {
    Gather all(plain);
    return write(all, cipher);
  }

  std::span<const std::byte> to_send() const;
  void sent(std::size_t size);

  // Queues close_notify. Nothing can be written afterwards; reading continues.
  void close();
  bool closed() const { return closed_; }
  // The stream has ended. That is a failure unless close_notify came first.
  void end_of_input();

  State state() const { return state_; }
  // Valid once failed.
  const Failure& failure() const { return failure_; }
  // Valid once open.
  const Negotiated& negotiated() const { return negotiated_; }
  // That the client has named, also in a handshake that failed. Empty for a client engine.
  const std::string& server_name() const { return client_hello_.server_name; }
  // Of the other side's certificate, RFC 2253. Empty without one, or in a resumed session.
  std::string_view peer_subject() const {
    return verdict_ ? std::string_view(verdict_->subject) : std::string_view();
  }
  // Null: the client has shown none, or Chosen::describes_client was not set. Its subject is there even if it was
  // refused.
  const x509::Description* client_certificate() const { return client_certificate_.get(); }
  // The progress of the handshake, for the log line of a time-out.
  std::string handshake_state() const;

  // The minimum number of bytes that complete the current record; 0 between records.
  std::size_t record_rest() const;
  // Set once wolfSSL's state has been freed; null before, and with suites that stay with wolfSSL. Its keys fit the
  // kernel's next record under these conditions. `receive`: record_rest() is 0, has_plain() is false, and every byte
  // received so far has been fed. `send`: to_send() is empty, and close() has not been called.
  const Records* records() const { return records_.get(); }
  // Hands a direction over to the kernel for good. `changes_keys`: the kernel accepts another key later.
  void hand_over(bool sending, bool changes_keys) { records_->hand_over(sending, changes_keys); }
  // --- after hand_over()
  // Handles a non-data record that the kernel decrypted.
  void handle_record(RecordType type, std::span<const std::byte> content);
  // The kernel could not decrypt a record.
  void handle_forged_record();
  // Documented in tls/record/records.h.
  std::optional<TrafficKey> changed_receive_key() { return records_->changed_receive_key(); }
  bool receive_waits() const { return records_ != nullptr && records_->receive_waits(); }
  std::optional<ControlRecord> control_record() const;
  std::optional<TrafficKey> control_record_sent() { return records_->control_record_sent(); }
  void sent_by_kernel(std::uint64_t bytes) { records_->sent_by_kernel(bytes); }
  bool receive_lost() const { return records_ != nullptr && records_->receive_lost(); }
  bool key_used_up() const { return records_ != nullptr && records_->key_used_up(); }
  // Whether the failure may be due to the offered session, so that the broker may accept a full handshake on a new
  // connection. Valid for a failed client engine.
  bool failed_on_resumption() const { return offered_session_ && !opened_ && !verdict_; }
  // Whether any byte has been received.
  bool heard() const { return heard_; }
  // The bytes that this engine holds outside wolfSSL.
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
  Breakdown known_breakdown() const;
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

  // Declared before the wolfSSL state, which refers to them.
  std::shared_ptr<const ServerContext> server_context_;
  std::shared_ptr<const ClientContext> client_context_;
  std::unique_ptr<WOLFSSL, FreeSsl> ssl_;
  Choose choose_;
  std::string host_;
  std::string session_name_;

  std::unique_ptr<ClientHelloReader> hello_reader_;  // set in a server until the ClientHello is complete
  Bytes hello_;                                      // received before wolfSSL's state was created
  std::size_t hello_at_ = 0;                         // how much of it wolfSSL has taken
  std::span<const std::byte> in_;                    // valid during feed()
  std::span<std::byte> out_;                         // valid during write()
  Bytes pending_;
  std::unique_ptr<Records> records_;
  TrafficSecrets secrets_;  // until records_ takes them over
  std::size_t pending_at_ = 0;

  ClientHello client_hello_;
  Negotiated negotiated_;
  Failure failure_;
  std::optional<x509::Verdict> verdict_;  // on the other side's certificates, once received
  std::unique_ptr<const x509::Description> client_certificate_;
  std::int64_t good_until_s_ = 0;  // Unix time: of that verdict, or of the offered session
  int certificate_error_ = 0;      // wolfSSL's own objection, which no verdict overrides
  RecordFraming framing_;          // of what wolfSSL has taken
  SentNonce sent_nonce_{};
  Remote remote_;
  State state_ = State::handshaking;
  bool closed_ = false;
  bool finished_ = false;  // both sides sent close_notify, and wolfSSL's state is no longer used
  bool heard_ = false;
  bool has_identity_ = true;      // false for a client engine without a certificate to show
  bool foreign_ = false;          // the broker answered, but not in TLS
  bool unasked_ = false;          // the client sent a certificate to a listener that asks for none
  bool alert_said_ = false;       // by say_alert(), so wolfSSL's own alert is suppressed
  bool leaf_accepted_ = false;    // the verify callback has been called once for the leaf
  bool offered_session_ = false;  // the ClientHello of a client engine offers one
  bool opened_ = false;
  bool ticket_came_ = false;
  bool describes_client_ = false;
  bool data_came_ = false;
};

}  // namespace kferry::tls
