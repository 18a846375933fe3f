#include "channel.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include "x509/stores.h"

namespace kferry::bench {
namespace {

constexpr std::size_t encrypted_max = 256 * 1024;
constexpr std::size_t received_max = 256 * 1024;

std::string text_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (text.empty()) fail("cannot read " + file);
  return text;
}

}  // namespace

std::shared_ptr<const tls::ClientContext> client_context(const std::string& authority_file, bool resume) {
  const std::string text = text_of(authority_file);
  x509::StoreFile file{.name = authority_file, .bytes = std::as_bytes(std::span(text))};
  tls::ClientSettings settings;
  std::vector<x509::Note> notes;
  auto authorities = x509::read_authorities(file, x509::Role::broker, notes);
  if (!authorities) fail(authorities.error().text);
  settings.cas = std::move(*authorities);
  settings.offer.ciphers = "TLS_AES_128_GCM_SHA256";
  settings.offer.curves = "P-256";
  settings.offer.lowest = tls::Version::tls_1_3;
  settings.resume_sessions = resume;
  auto made = tls::ClientContext::make(settings);
  if (!made) fail(made.error().text);
  return *made;
}

std::shared_ptr<const tls::ServerContext> server_context(const std::string& certificate_and_key_file) {
  const std::string text = text_of(certificate_and_key_file);
  const x509::StoreFile file{.name = certificate_and_key_file, .bytes = std::as_bytes(std::span(text))};
  std::vector<x509::Note> notes;
  auto identity = x509::read_identity(file, {.now_s = tls::system_time()}, notes);
  if (!identity) fail(identity.error().text);
  tls::ServerSettings settings;
  settings.identity = std::move(*identity);
  settings.offer.ciphers = "TLS_AES_128_GCM_SHA256";
  auto made = tls::ServerContext::make(settings, nullptr);
  if (!made) fail(made.error().text);
  return *made;
}

void Channel::take_own() {
  const auto own = engine_->to_send();
  out_.insert(out_.end(), own.begin(), own.end());
  engine_->sent(own.size());
}

bool Channel::flush() {
  if (engine_ == nullptr) return true;
  take_own();
  while (out_at_ < out_.size()) {
    iovec piece{out_.data() + out_at_, out_.size() - out_at_};
    const std::size_t sent = send_pieces(fd(), {&piece, 1}, quiet_ ? &gone_ : nullptr);
    if (sent == 0) return false;
    out_at_ += sent;
  }
  out_.clear();
  out_at_ = 0;
  return true;
}

std::size_t Channel::send(std::span<iovec> pieces) {
  if (engine_ == nullptr) return send_pieces(fd(), pieces, quiet_ ? &gone_ : nullptr);
  if (!flush() || handshaking()) return 0;
  std::size_t taken = 0;
  for (const iovec& piece : pieces) {
    const auto plain = std::span(static_cast<const std::byte*>(piece.iov_base), piece.iov_len)
                           .first(std::min(piece.iov_len, encrypted_max - taken));
    const std::size_t before = out_.size();
    out_.resize(before + plain.size() +
                (plain.size() / tls::record_plain_max + 1) * tls::record_overhead_max);
    const auto moved = engine_->write(plain, std::span(out_).subspan(before));
    out_.resize(before + moved.made);
    taken += moved.taken;
    if (moved.taken < plain.size()) fail("TLS: a write was not taken");
  }
  flush();
  return taken;
}

std::size_t Channel::receive(std::span<std::byte> buffer, bool* ended) {
  if (engine_ == nullptr) return bench::receive(fd(), buffer, ended);
  if (!pending()) {
    cipher_.resize(received_max);
    cipher_.resize(bench::receive(fd(), cipher_, ended));
  }
  std::span<const std::byte> cipher = cipher_;
  std::size_t made = 0;
  while ((!cipher.empty() || engine_->has_plain()) && made < buffer.size()) {
    const auto moved = engine_->feed(cipher, buffer.subspan(made));
    made += moved.made;
    cipher = cipher.subspan(moved.taken);
    if (engine_->state() == tls::Engine::State::failed) fail("TLS: " + engine_->failure().text);
    if (moved.taken == 0 && moved.made == 0) break;
  }
  cipher_.erase(cipher_.begin(), cipher_.end() - static_cast<std::ptrdiff_t>(cipher.size()));
  flush();
  if (ended != nullptr && made == 0 && engine_->state() == tls::Engine::State::ended) *ended = true;
  return made;
}

void Channel::say_end() {
  if (engine_ == nullptr || handshaking()) return;
  let_go_quietly();
  engine_->close();
  flush();
}

}  // namespace kferry::bench
