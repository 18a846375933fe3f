// See tls_side.h.
#include "tls_side.h"

#include <array>
#include <stdexcept>
#include <utility>

#include "x509/authority_test.h"

namespace kferry::simulation {
namespace {

struct Material {
  x509::Authority authority;
  x509::Identity identity = authority.issue("side", {});
  std::shared_ptr<const tls::ServerContext> broker;
  std::shared_ptr<const tls::ClientContext> client;
  std::shared_ptr<const tls::ClientContext> strict_client;  // verifies names

  Material() {
    for (std::size_t listener : {0U, 1U})
      authority.issue(sni_domain(listener), {.names = "DNS:*." + sni_domain(listener)});
    tls::ServerSettings server;
    server.identity = identity;
    tls::ClientSettings settings;
    settings.cas.push_back(authority.certificate());
    settings.verify_host_name = false;
    auto made_server = tls::ServerContext::make(server, nullptr);
    auto made_client = tls::ClientContext::make(settings);
    settings.verify_host_name = true;
    auto made_strict = tls::ClientContext::make(settings);
    if (!made_server || !made_client || !made_strict) throw std::runtime_error("no TLS contexts");
    broker = *made_server;
    client = *made_client;
    strict_client = *made_strict;
  }
};

const Material& material() {
  static const Material all;
  return all;
}

std::string pem(const std::string& file) {
  return material().authority.folder().text(file);
}

config::ListenerTls listener_tls_of(const std::string& name) {
  material();
  config::ListenerTls tls;
  tls.identity.certificates = {
      .where = "test", .path = {}, .text = pem(name + ".crt"), .password = {}, .password_name = {}};
  tls.identity.key = config::Store{
      .where = "test", .path = {}, .text = pem(name + ".key"), .password = {}, .password_name = {}};
  return tls;
}

class TlsSide final : public Stream {
 public:
  // `terse`: a close_notify is not answered by one.
  TlsSide(std::unique_ptr<Stream> inner, std::unique_ptr<tls::Engine> engine, bool terse = false)
      : inner_(std::move(inner)), engine_(std::move(engine)), terse_(terse) {}
  ~TlsSide() override { close(); }

  std::size_t write(std::string_view bytes) override {
    if (!turn() || engine_->state() != tls::Engine::State::open || bytes.empty()) return 0;
    std::array<std::byte, 20'000> room;
    const auto moved = engine_->write(std::as_bytes(std::span(bytes)), room);
    out_.append(reinterpret_cast<const char*>(room.data()), moved.made);
    turn();
    return moved.taken;
  }

  std::string read(std::size_t size_max) override {
    turn();
    if (plain_.empty()) return {};
    std::string piece = plain_.substr(0, size_max);
    plain_.erase(0, piece.size());
    return piece;
  }

  bool ended() override { return plain_.empty() && engine_->state() == tls::Engine::State::ended; }
  // A stream that ends without close_notify has been cut; so has one that cannot be read.
  bool was_reset() override {
    if (!plain_.empty() || engine_->state() == tls::Engine::State::ended) return false;
    return inner_->was_reset() || inner_->ended() || engine_->state() == tls::Engine::State::failed;
  }
  void shutdown() override {
    say_end();
    turn();
  }
  void close() override {
    if (inner_ == nullptr) return;
    say_end();
    turn();
    inner_->close();
    inner_.reset();
  }
  void reset() override {
    if (inner_ == nullptr) return;
    inner_->reset();
    inner_.reset();
  }

 private:
  void say_end() {
    if (std::exchange(shut_, true) || (terse_ && engine_->state() == tls::Engine::State::ended)) return;
    engine_->close();
  }
  // True when nothing waits to be sent.
  bool turn() {
    if (inner_ == nullptr) return false;
    for (;;) {
      const std::string bytes = inner_->read(8'000);
      if (bytes.empty()) break;
      std::span<const std::byte> cipher = std::as_bytes(std::span(bytes));
      std::array<std::byte, 20'000> room;
      while (!cipher.empty() || engine_->has_plain()) {
        const auto moved = engine_->feed(cipher, room);
        plain_.append(reinterpret_cast<const char*>(room.data()), moved.made);
        cipher = cipher.subspan(moved.taken);
        if (moved.taken == 0 && moved.made == 0) break;
      }
    }
    const auto own = engine_->to_send();
    out_.append(reinterpret_cast<const char*>(own.data()), own.size());
    engine_->sent(own.size());
    if (!out_.empty()) out_.erase(0, inner_->write(out_));
    if (out_.empty() && shut_ && !std::exchange(inner_shut_, true)) inner_->shutdown();
    return out_.empty();
  }

  std::unique_ptr<Stream> inner_;
  std::unique_ptr<tls::Engine> engine_;
  std::string plain_;
  std::string out_;
  const bool terse_;
  bool shut_ = false;
  bool inner_shut_ = false;
};

class TlsAcceptor final : public Acceptor {
 public:
  TlsAcceptor(std::unique_ptr<Acceptor> inner, bool terse) : inner_(std::move(inner)), terse_(terse) {}
  std::unique_ptr<Stream> accept() override {
    auto stream = inner_->accept();
    if (stream == nullptr) return nullptr;
    auto engine = tls::Engine::server([](std::string_view) { return material().broker; });
    return std::make_unique<TlsSide>(std::move(stream), std::move(engine), terse_);
  }
  void close() override { inner_->close(); }

 private:
  std::unique_ptr<Acceptor> inner_;
  const bool terse_;
};

}  // namespace

std::string sni_domain(std::size_t listener) {
  return listener == 0 ? "one.example" : "two.example";
}

config::ListenerTls listener_tls() {
  return listener_tls_of("side");
}

config::ListenerTls listener_tls(std::size_t listener) {
  return listener_tls_of(sni_domain(listener));
}

config::UpstreamTls upstream_tls() {
  material();
  config::UpstreamTls tls;
  tls.authorities =
      config::Store{.where = "test", .path = {}, .text = pem("ca.crt"), .password = {}, .password_name = {}};
  tls.verify_host_name = false;
  return tls;
}

std::unique_ptr<Stream> with_client_tls(std::unique_ptr<Stream> inner) {
  return std::make_unique<TlsSide>(std::move(inner),
                                   tls::Engine::client(material().client, "kferry.example", 9092));
}

std::unique_ptr<Stream> with_client_tls(std::unique_ptr<Stream> inner, const std::string& host) {
  return std::make_unique<TlsSide>(std::move(inner),
                                   tls::Engine::client(material().strict_client, host, 9092));
}

std::unique_ptr<Acceptor> with_broker_tls(std::unique_ptr<Acceptor> inner, bool terse) {
  return std::make_unique<TlsAcceptor>(std::move(inner), terse);
}

}  // namespace kferry::simulation
