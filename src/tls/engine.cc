#include "tls/engine.h"

#include <arpa/inet.h>
#include <wolfssl/options.h>
// The options come first: they decide the layout of what the others declare.
#include <wolfssl/error-ssl.h>
#include <wolfssl/ssl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "tls/cipher_names.h"

namespace kferry::tls {
namespace {

static_assert(client_hello_size_max <= MAX_HANDSHAKE_SZ);

bool is_address(const std::string& host) {
  std::array<std::byte, 16> bytes{};
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, host.substr(0, host.find('%')).c_str(), bytes.data()) == 1;
}

}  // namespace

void Engine::FreeSsl::operator()(WOLFSSL* ssl) const {
  wolfSSL_free(ssl);
}

Engine::~Engine() = default;

std::unique_ptr<Engine> Engine::server(Choose choose) {
  std::unique_ptr<Engine> engine(new Engine(Remote::client));
  engine->choose_ = std::move(choose);
  engine->hello_reader_ = std::make_unique<ClientHelloReader>();
  return engine;
}

std::unique_ptr<Engine> Engine::client(std::shared_ptr<const ClientContext> context, std::string host,
                                       std::uint16_t port, bool may_resume) {
  std::unique_ptr<Engine> engine(new Engine(Remote::broker));
  Engine& e = *engine;
  e.client_context_ = std::move(context);
  e.host_ = std::move(host);
  e.has_identity_ = e.client_context_->has_identity();
  e.begin(wolfSSL_new(e.client_context_->raw()));
  if (e.state_ == State::failed) return engine;
  WOLFSSL* const ssl = e.ssl_.get();
  wolfSSL_set_verify(ssl, WOLFSSL_VERIFY_PEER, on_verify);
  if (!is_address(e.host_) && !e.host_.empty()) {
    std::string name = e.host_;
    if (name.ends_with('.')) name.pop_back();
    if (wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, name.data(), static_cast<word16>(name.size())) ==
        WOLFSSL_SUCCESS) {
      e.negotiated_.server_name = std::move(name);
    }
  }
  if (Sessions* const sessions = e.client_context_->sessions()) {
    e.session_name_ = e.host_ + ":" + std::to_string(port);
    wolfSSL_set_SessionTicket_cb(
        ssl,
        [](WOLFSSL* s, const unsigned char* ticket, int size, void* owner) {
          return on_ticket(s, ticket, size, owner);
        },
        &e);
    const auto good_until_s =
        may_resume ? sessions->resume(e.session_name_, ssl, e.client_context_->now_s()) : std::nullopt;
    e.offered_session_ = good_until_s.has_value();
    e.good_until_s_ = good_until_s.value_or(0);
  }
  e.take_steps();
  return engine;
}

void Engine::begin(WOLFSSL* ssl) {
  if (ssl == nullptr) {
    fail({"memory_exhausted", "kferry has no memory left for the TLS state of this connection"});
    return;
  }
  ssl_.reset(ssl);
  wolfSSL_SSLSetIORecv(ssl, on_receive);
  wolfSSL_SSLSetIOSend(ssl, on_send);
  wolfSSL_SetIOReadCtx(ssl, this);
  wolfSSL_SetIOWriteCtx(ssl, this);
  wolfSSL_SetCertCbCtx(ssl, this);
  note_secrets(ssl, secrets_);
}

void Engine::read_hello(std::span<const std::byte> cipher) {
  switch (hello_reader_->take(cipher, hello_, client_hello_)) {
    case HelloReading::incomplete:
      return;
    case HelloReading::not_tls:
      if (auto failure = not_tls(hello_, remote_, false)) fail(std::move(*failure));
      return;
    case HelloReading::malformed:
      alert(Alert::decode_error);
      fail({"client_hello_malformed", "the client's TLS ClientHello is malformed"});
      return;
    case HelloReading::too_long:
      alert(Alert::illegal_parameter);
      fail({"client_hello_malformed", "the client's TLS ClientHello is longer than " +
                                          std::to_string(client_hello_size_max) + " bytes"});
      return;
    case HelloReading::complete:
      serve();
      return;
  }
}

void Engine::serve() {
  Chosen chosen = choose_(client_hello_.server_name);
  choose_ = nullptr;
  describes_client_ = chosen.describes_client;
  server_context_ = std::move(chosen.context);
  if (chosen.refusal) {
    alert(Alert::internal_error);
    fail(std::move(*chosen.refusal));
    return;
  }
  if (server_context_ == nullptr) {
    alert(Alert::unrecognized_name);
    fail({"server_name_unknown",
          client_hello_.server_name.empty()
              ? "the client sent no server name (SNI), which this port needs to choose a broker"
              : "no listener here serves the name " + client_hello_.server_name});
    return;
  }
  if (client_hello_.lacks_extension) {
    alert(Alert::missing_extension);
    fail({"client_hello_malformed",
          "the client's ClientHello offers TLS 1.3 without its groups, key shares or signature algorithms"});
    return;
  }
  hello_reader_.reset();
  begin(wolfSSL_new(server_context_->raw()));
  if (state_ == State::failed) return;
  switch (server_context_->client_auth()) {
    case ClientAuth::none:
      wolfSSL_set_verify(ssl_.get(), WOLFSSL_VERIFY_NONE, on_verify);  // a client must not send one
      break;
    case ClientAuth::optional:
      wolfSSL_set_verify(ssl_.get(), WOLFSSL_VERIFY_PEER, on_verify);
      break;
    case ClientAuth::require:
      wolfSSL_set_verify(ssl_.get(), WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_verify);
      break;
  }
}

// Continues the handshake. True once it is done.
bool Engine::take_steps() {
  const int result = remote_ == Remote::client ? wolfSSL_accept(ssl_.get()) : wolfSSL_connect(ssl_.get());
  if (result == WOLFSSL_SUCCESS) {
    on_open();
    return true;
  }
  if (wolfSSL_get_error(ssl_.get(), result) != WOLFSSL_ERROR_WANT_READ) fail_by_library(result);
  return false;
}

void Engine::on_open() {
  state_ = State::open;
  WOLFSSL* const ssl = ssl_.get();
  negotiated_.version = wolfSSL_version(ssl) == TLS1_3_VERSION ? Version::tls_1_3 : Version::tls_1_2;
  const char* const cipher = wolfSSL_get_cipher_name(ssl);
  negotiated_.cipher = openssl_cipher_name(cipher != nullptr ? cipher : "");
  const char* const curve = wolfSSL_get_curve_name(ssl);
  if (curve != nullptr) negotiated_.curve = curve;
  if (remote_ == Remote::client) negotiated_.server_name = client_hello_.server_name;
  negotiated_.resumed = wolfSSL_session_reused(ssl) != 0;
  opened_ = true;
}

std::size_t Engine::feed(Gather& cipher, std::span<std::byte> plain) {
  std::size_t made = 0;
  while (records_ == nullptr || state_ != State::open) {
    const auto piece = cipher.front();
    const Moved moved = feed_piece(piece, plain.subspan(made));
    cipher.skip(moved.taken);
    made += moved.made;
    if (moved.taken < piece.size() || cipher.size() == 0) return made;
  }
  return made + feed_records(cipher, plain.subspan(made));
}

// feed() while wolfSSL has the connection, or after its end.
Engine::Moved Engine::feed_piece(std::span<const std::byte> cipher, std::span<std::byte> plain) {
  Moved moved;
  if (state_ == State::failed) return moved;
  if (state_ == State::ended) return {cipher.size(), 0};
  if (!cipher.empty() && !std::exchange(heard_, true) && remote_ == Remote::broker) {
    const auto first = static_cast<RecordType>(cipher[0]);
    foreign_ = first != RecordType::handshake && first != RecordType::alert;
  }
  if (foreign_) {
    hello_.insert(hello_.end(), cipher.begin(), cipher.end());
    if (auto failure = not_tls(hello_, remote_, false)) fail(std::move(*failure));
    return {cipher.size(), 0};
  }
  const std::size_t given = cipher.size();
  if (ssl_ == nullptr) {
    read_hello(cipher);
    if (ssl_ == nullptr) return {given, 0};
    cipher = {};
  }
  in_ = cipher;
  if (state_ == State::open || take_steps()) receive_plain(plain, moved);
  moved.taken = state_ == State::ended ? given : given - in_.size();
  in_ = {};
  if (ticket_came_) keep_session();
  return moved;
}

std::size_t Engine::feed_records(Gather& cipher, std::span<std::byte> plain) {
  if (to_send().size() > pending_size_max) return 0;
  const std::size_t made = records_->feed(cipher, plain, pending_);
  follow_records();
  return made;
}

void Engine::follow_records() {
  if (records_->failure()) {
    fail(*records_->failure());
  } else if (const auto alert = records_->fatal_alert()) {
    Breakdown breakdown = known_breakdown();
    breakdown.alert = alert;
    fail(failure_of(breakdown));
  } else if (records_->ended()) {
    state_ = State::ended;
  }
}

// Moves wolfSSL's keys to records_ and frees its state, once the handshake is done and between two records. True if
// that is done. wolfSSL still reads a broker's tickets, which precede its first data.
bool Engine::take_over() {
  if (records_ != nullptr) return true;
  if (closed_ || record_rest() > 0 || wolfSSL_pending(ssl_.get()) > 0 || !hello_.empty()) return false;
  const bool tickets_due = remote_ == Remote::broker && negotiated_.version == Version::tls_1_3 &&
                           client_context_->sessions() != nullptr;
  if (tickets_due && !data_came_) return false;
  const auto keys = keys_of(ssl_.get(), negotiated_.version, remote_ == Remote::client, sent_nonce_);
  if (!keys) return false;
  // wolfSSL may already have followed a KeyUpdate, which it does not report, even one in the same record as Finished.
  const auto drop_if_stale = [](TrafficSecret& secret, const TrafficKey& key) {
    if (!secret.empty() && secret.key(key.cipher).key != key.key) secret = {};
  };
  drop_if_stale(secrets_.send, keys->send);
  drop_if_stale(secrets_.receive, keys->receive);
  if (ticket_came_) keep_session();
  const std::uint64_t records_per_key =
      remote_ == Remote::client ? server_context_->records_per_key() : client_context_->records_per_key();
  records_ = std::make_unique<Records>(*keys, secrets_, remote_, records_per_key);
  secrets_ = {};
  ssl_.reset();
  server_context_.reset();
  client_context_.reset();
  return true;
}

void Engine::receive_plain(std::span<std::byte> plain, Moved& moved) {
  while (moved.made < plain.size()) {
    if (take_over()) {
      Gather rest(in_);
      moved.made += feed_records(rest, plain.subspan(moved.made));
      in_ = in_.last(rest.size());
      return;
    }
    const auto room = plain.subspan(moved.made);
    const int size = static_cast<int>(std::min<std::size_t>(room.size(), 1 << 30));
    const int result = wolfSSL_read(ssl_.get(), room.data(), size);
    if (result > 0) {
      moved.made += static_cast<std::size_t>(result);
      data_came_ = true;
      continue;
    }
    const int error = wolfSSL_get_error(ssl_.get(), result);
    if (error == WOLFSSL_ERROR_WANT_READ) {
      take_over();
      return;
    }
    if (error == WOLFSSL_ERROR_ZERO_RETURN) {
      state_ = State::ended;
      return;
    }
    fail_by_library(result);
    return;
  }
}

bool Engine::has_plain() const {
  if (records_ != nullptr) return state_ == State::open && records_->has_plain();
  return ssl_ != nullptr && !finished_ && state_ == State::open && wolfSSL_pending(ssl_.get()) > 0;
}

Engine::Moved Engine::write(Gather& plain, std::span<std::byte> cipher) {
  KFERRY_ASSERT((state_ == State::open || state_ == State::ended) && !closed_);
  const auto waiting = to_send().first(std::min(to_send().size(), cipher.size()));
  std::ranges::copy(waiting, cipher.begin());
  std::size_t made = waiting.size();
  sent(waiting.size());
  if (!to_send().empty()) return {0, made};
  const std::size_t before = plain.size();
  if (records_ != nullptr) {
    made += records_->write(plain, cipher.subspan(made));
  } else {
    out_ = cipher.subspan(made);
    write_by_library(plain);
    made = cipher.size() - out_.size();
    out_ = {};
  }
  return {before - plain.size(), made};
}

// Encrypts as many records as fit.
void Engine::write_by_library(Gather& plain) {
  std::array<std::byte, record_plain_max> content;
  while (plain.size() > 0 && out_.size() > record_overhead_max) {
    const auto part =
        std::span(content).first(std::min({plain.size(), content.size(), out_.size() - record_overhead_max}));
    plain.take(part);
    const int result = wolfSSL_write(ssl_.get(), part.data(), static_cast<int>(part.size()));
    if (result <= 0) return fail_by_library(result);
  }
}

std::span<const std::byte> Engine::to_send() const {
  return std::span(pending_).subspan(pending_at_);
}

void Engine::sent(std::size_t size) {
  pending_at_ += size;
  KFERRY_ASSERT(pending_at_ <= pending_.size());
  if (pending_at_ < pending_.size()) return;
  Bytes().swap(pending_);  // frees the memory, which clear() would not
  pending_at_ = 0;
}

void Engine::close() {
  if (closed_) return;
  closed_ = true;
  if (records_ != nullptr && state_ != State::failed) records_->close(pending_);
  if (ssl_ == nullptr || state_ == State::failed) return;
  if (state_ == State::handshaking) return;  // nothing was sent whose truncation would matter
  wolfSSL_shutdown(ssl_.get());
  finished_ = state_ == State::ended;
}

std::size_t Engine::record_rest() const {
  return records_ != nullptr ? records_->record_rest() : framing_.rest();
}

void Engine::handle_record(RecordType type, std::span<const std::byte> content) {
  records_->handle_record(type, content, pending_);
  follow_records();
}

void Engine::handle_forged_record() {
  records_->handle_forged_record(pending_);
  follow_records();
}

std::optional<ControlRecord> Engine::control_record() const {
  return records_ == nullptr ? std::nullopt : records_->control_record();
}

}  // namespace kferry::tls
