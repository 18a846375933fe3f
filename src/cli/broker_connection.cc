#include "cli/broker_connection.h"

#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include "base/assert.h"
#include "connection/deadline.h"
#include "connection/dialler.h"
#include "connection/leg.h"
#include "kafka/client_codec.h"
#include "ring/backend.h"

namespace kferry::cli {
namespace {

using connection::Attempt;
using connection::Leg;

constexpr std::size_t receive_size = 16 * KiB;
// What does not fit into the socket at the end is not waited for.
constexpr Duration farewell_timeout = std::chrono::milliseconds(200);

std::string reason(int error) {
  return std::generic_category().message(error);
}

std::string tls_text(const tls::Engine& engine) {
  const tls::Negotiated& agreed = engine.negotiated();
  std::string text = agreed.version == tls::Version::tls_1_2 ? "TLS 1.2, " : "TLS 1.3, ";
  text += agreed.cipher;
  if (agreed.resumed) return text + ", resumed";
  if (!engine.peer_subject().empty()) text.append(", certificate of ").append(engine.peer_subject());
  return text;
}

// Why a dial failed, in the words of one who looks at the path.
BrokerConnection::Failure dial_failure(const Attempt& attempt) {
  switch (attempt.step) {
    case Attempt::Step::connect:
      if (attempt.error == ETIMEDOUT) return {"no answer to the TCP connect: is a firewall in between?"};
      if (attempt.error == ECONNREFUSED) return {"connection refused: nothing listens there"};
      return {reason(attempt.error)};
    case Attempt::Step::handshake:
      if (attempt.error == ETIMEDOUT) {
        return {"connected, but no answer in time through TLS (" + attempt.handshake_state +
                "): it may not speak TLS, or the broker behind it hangs"};
      }
      if (attempt.error != 0) {
        return {"reset without an answer (" + reason(attempt.error) +
                "): it requires no TLS, or is not a Kafka listener"};
      }
      return {attempt.why, attempt.tls_cause};
    case Attempt::Step::resolve:
    case Attempt::Step::refuse:
    case Attempt::Step::use:
      break;
  }
  return {attempt.why};
}

}  // namespace

class BrokerConnection::Conversation final : private Leg::Owner, private connection::Dialler::Host {
 public:
  explicit Conversation(std::unique_ptr<ring::Ring> ring)
      : ring_(std::move(ring)),
        pool_(*ring_),
        shared_{*ring_, pool_, receive_size, 0, UINT64_MAX},
        deadline_(*ring_, {0, 0, Leg::operations}),
        input_(pool_),
        output_(pool_),
        leg_(shared_, *this, tls::Remote::broker, {}, input_, output_) {}

  // Ends the leg; afterwards nothing is outstanding.
  virtual ~Conversation() {
    if (leg_.stage() == Leg::Stage::open) {
      wait_for([&] { return leg_.shut_write(true); }, farewell_timeout);
    }
    leg_.close(false);
    if (dial_) dial_->close();
    deadline_.cancel();
    while (leg_.outstanding() > 0 || deadline_.armed() || (dial_ && dial_->outstanding() > 0)) turn();
  }

  std::expected<Opened, Failure> open(const SocketAddress& address, const HostPort& name,
                                      std::shared_ptr<const tls::ClientContext> tls, Duration timeout,
                                      Duration budget) {
    address_ = address;
    context_ = std::move(tls);
    began_ = std::chrono::steady_clock::now();
    connection::Dialler::Host& host = *this;
    dial_.emplace(host, leg_, shared_, no_kernel_tls_,
                  connection::Dialler::Timeouts{timeout, timeout, {}, budget}, ring::Token{0, 0, dial_kind},
                  nullptr);
    dial_->start({{name, std::nullopt}});
    while (!dialled_ && !not_dialled_) turn();
    if (not_dialled_) return std::unexpected(dial_failure(dial_->last()));
    return Opened{connect_time_, leg_.tls() == nullptr ? std::string() : tls_text(*leg_.tls())};
  }

  std::expected<std::vector<std::byte>, Failure> ask(std::span<const std::byte> request, Duration timeout) {
    if (broken_) return std::unexpected(*broken_);
    output_.insert(request);
    leg_.send(Leg::Completion::at_once, connection::Follow::nothing);
    leg_.receive();
    std::expected<std::size_t, kferry::Failure> size = 0;
    const auto answered = [&] {
      if (incoming_.size() < 4) return false;
      size = kafka::frame_size(std::span<const std::byte, 4>(incoming_.data(), 4));
      return !size || incoming_.size() >= 4 + *size;
    };
    const bool in_time = wait_for([&] { return answered() || broken_ || leg_.ended(); }, timeout);
    if (!size) return std::unexpected(Failure{size.error().text});
    if (answered()) {
      std::vector<std::byte> frame(incoming_.begin() + 4,
                                   incoming_.begin() + 4 + static_cast<std::ptrdiff_t>(*size));
      incoming_.erase(incoming_.begin(), incoming_.begin() + 4 + static_cast<std::ptrdiff_t>(*size));
      return frame;
    }
    if (broken_) return std::unexpected(*broken_);
    return std::unexpected(in_time ? closed() : silent());
  }

 private:
  static constexpr std::uint16_t dial_kind = Leg::operations + 1;

  Failure closed() const {
    return {leg_.tls() != nullptr
                ? "closed without an answer: it requires SASL first, or is not a Kafka listener"
                : "closed without an answer: it requires TLS or SASL first, or is not a Kafka listener"};
  }
  Failure silent() const {
    if (leg_.sending() || output_.ready_size() > 0)
      return {"the other side accepts connections, but does not read requests"};
    if (leg_.tls() == nullptr)
      return {"connected, but no answer in time: it may require TLS, or the broker behind it hangs"};
    return {"connected, but no answer in time through TLS (" + leg_.tls()->handshake_state() +
            "): it may not speak TLS, or the broker behind it hangs"};
  }

  template <class Condition>
  bool wait_for(const Condition& holds, Duration timeout) {
    timed_out_ = false;
    deadline_.set(ring_->now() + timeout);
    while (!holds() && !timed_out_) turn();
    return !timed_out_ || holds();
  }

  void turn() {
    for (const ring::Completion& completion : ring_->wait()) {
      const std::uint16_t kind = completion.token.kind;
      if (kind < Leg::operations) {
        leg_.on_completion(static_cast<Leg::Operation>(kind), completion);
      } else if (kind >= dial_kind) {
        dial_->on_completion(static_cast<std::uint16_t>(kind - dial_kind), completion);
      } else if (deadline_.on_timer(leg_.stage() != Leg::Stage::closing)) {
        timed_out_ = true;
        if (dial_ && !dialled_ && !not_dialled_) dial_->on_deadline();
      }
    }
  }

  // Leg::Owner, once dialled
  void on_input(Leg& /*leg*/) override {
    input_.take_input(incoming_);
    on_output(leg_, 0);
  }
  void on_output(Leg& /*leg*/, std::size_t /*sent*/) override {
    leg_.send(Leg::Completion::at_once, connection::Follow::nothing);
    leg_.receive();
  }
  void on_break(Leg& leg, const Leg::Break& what) override {
    using How = Leg::Break::How;
    // The alert that explains it may have arrived: a TLS 1.3 server judges the client's certificate late.
    if (what.how == How::sending) return leg.receive();
    if (what.how == How::tls) {
      const kferry::Failure& failure = leg.transport().failure();
      broken_ = {failure.text, failure.cause};
    } else if (what.how == How::truncated) {
      broken_ = closed();
    } else {
      broken_ = {"reset without an answer (" + reason(what.error) + "): it requires " +
                 (leg.tls() != nullptr ? "SASL first" : "TLS") + ", or is not a Kafka listener"};
    }
  }
  void on_starved(Leg& leg) override {
    leg.receive_again();
    leg.receive();
  }

  // Dialler::Host
  void resolve(const HostPort& /*where*/) override { dial_->on_resolved({address_}, {}); }
  std::string_view why_not_dialled(const connection::Candidate& /*candidate*/,
                                   const SocketAddress& /*address*/, const SocketAddress& from) override {
    if (!from.empty()) connect_time_ = std::chrono::steady_clock::now() - began_;
    return {};
  }
  std::expected<std::shared_ptr<const tls::ClientContext>, std::string> client_context() override {
    return context_;
  }
  void set_dial_deadline(Duration in) override { deadline_.set(ring_->now() + in); }
  void clear_dial_deadline() override {}
  void on_dial_starved() override { dial_->resume(); }
  void on_dialled(const connection::Candidate& /*candidate*/) override {
    leg_.set_owner(*this);
    dialled_ = true;
  }
  void on_not_dialled(int /*local_error*/) override { not_dialled_ = true; }

  std::unique_ptr<ring::Ring> ring_;
  net::BufferPool pool_;
  Leg::Shared shared_;
  connection::KernelTls no_kernel_tls_;
  connection::Deadline deadline_;
  net::Rope input_;
  net::Rope output_;
  Leg leg_;
  std::optional<connection::Dialler> dial_;
  SocketAddress address_;
  std::shared_ptr<const tls::ClientContext> context_;  // null: plaintext
  std::chrono::steady_clock::time_point began_;
  Duration connect_time_{};
  bool dialled_ = false;
  bool not_dialled_ = false;
  bool timed_out_ = false;
  std::optional<Failure> broken_;
  std::vector<std::byte> incoming_;  // decrypted, not yet asked for
};

BrokerConnection::BrokerConnection() = default;
BrokerConnection::~BrokerConnection() = default;

std::expected<BrokerConnection::Opened, BrokerConnection::Failure> BrokerConnection::open(
    const SocketAddress& address, const HostPort& name, std::shared_ptr<const tls::ClientContext> tls,
    Duration timeout, Duration budget) {
  conversation_.reset();
  static const ring::Backend backend = ring::choose_backend().backend;  // which creates a ring to find out
  auto ring = ring::make_ring(backend, {.buffer_count = 16, .buffer_size = receive_size});
  if (!ring) return std::unexpected(Failure{ring.error()});
  conversation_ = std::make_unique<Conversation>(std::move(*ring));
  return conversation_->open(address, name, std::move(tls), timeout, budget);
}

std::expected<std::vector<std::byte>, BrokerConnection::Failure> BrokerConnection::ask(
    std::span<const std::byte> request, Duration timeout) {
  KFERRY_ASSERT(conversation_ != nullptr);
  return conversation_->ask(request, timeout);
}

}  // namespace kferry::cli
