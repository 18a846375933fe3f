// See client.h.
#include "client.h"

#include <algorithm>

namespace kferry::simulation {
namespace {

using std::chrono::milliseconds;

Order order_for(Dice& dice, Kind kind, std::int16_t version, std::optional<std::int32_t> meant_for) {
  Order order = order_of(dice, kind, version);
  order.meant_for = meant_for;
  return order;
}

}  // namespace

Client::Client(std::string name, Ledger& ledger, const Told& told, Dial dial,
               std::vector<HostPort> bootstrap_servers, Clock now, ClientPlan plan, std::uint64_t seed)
    : name_(std::move(name)),
      ledger_(ledger),
      told_(told),
      dial_(std::move(dial)),
      bootstrap_servers_(std::move(bootstrap_servers)),
      now_(std::move(now)),
      plan_(plan),
      dice_(seed) {}

bool Client::turn() {
  if (phase_ == Phase::finished || now_() < not_before_) return false;
  switch (phase_) {
    case Phase::bootstrapping:
      return bootstrap();
    case Phase::working:
      return work();
    case Phase::ending:
      return finish();
    case Phase::finished:
      break;
  }
  return false;
}

std::optional<Instant> Client::wake() const {
  return phase_ != Phase::finished && not_before_ > now_() ? std::optional(not_before_) : std::nullopt;
}

// A connection that came to its end before the client did. One that only bootstraps may: a stand-in makes
// way.
bool Client::broken(const Connection& connection) {
  if (connection.state() == Connection::State::open) return false;
  const bool forgiven = plan_.failures || &connection == bootstrap_.get();
  if (!forgiven)
    ledger_.violation(name_ + ": " + connection.text() + " was " +
                      (connection.state() == Connection::State::reset ? "reset" : "ended") +
                      " though nothing was wrong");
  ++failures_;
  // `connection` goes with the others.
  for (const Work& one : works_) done_ += one.connection->done() - one.counted;
  bootstrap_.reset();
  works_.clear();
  phase_ = forgiven ? Phase::bootstrapping : Phase::finished;
  not_before_ = now_() + milliseconds(dice_.between(100, 1000));
  return true;
}

// SaslHandshake 1 and SaslAuthenticate, or SaslHandshake 0 and raw tokens, as older clients do.
void Client::authenticate(Connection& connection, std::optional<std::int32_t> meant_for) {
  const bool raw = dice_.one_in(2);
  const bool scram = dice_.one_in(2);
  Order handshake = order_for(dice_, Kind::sasl_handshake, raw ? 0 : 1, meant_for);
  handshake.scram = scram;
  connection.ask(handshake);
  for (int token = 0; token < (scram ? 2 : 1); ++token) {
    connection.ask(
        raw ? order_for(dice_, Kind::raw_token, 0, meant_for)
            : order_for(dice_, Kind::sasl_authenticate, dice_.between<std::int16_t>(0, 2), meant_for));
  }
}

bool Client::bootstrap() {
  if (!bootstrap_) {
    auto stream = dial_(dice_.of(bootstrap_servers_));
    if (!stream) {
      not_before_ = now_() + milliseconds(dice_.between(100, 1000));
      return false;
    }
    bootstrap_ = std::make_unique<Connection>(ledger_, told_, std::move(stream), dice_.below(UINT64_MAX));
    if (dice_.one_in(2))
      bootstrap_->ask(order_for(dice_, Kind::api_versions, dice_.between<std::int16_t>(0, 7), {}));
    if (plan_.sasl) authenticate(*bootstrap_, {});
    bootstrap_->ask(
        order_for(dice_, Kind::metadata, dice_.between<std::int16_t>(plan_.metadata_min, 13), {}));
    return true;
  }
  const bool moved = bootstrap_->turn();
  if (bootstrap_->brokers() && bootstrap_->idle()) {
    begin_work();
    return true;
  }
  return broken(*bootstrap_) || moved;
}

void Client::begin_work() {
  const std::vector<Node>& nodes = bootstrap_->brokers()->nodes;
  std::size_t left = plan_.goal - std::min(plan_.goal, done_);
  if (nodes.empty()) {
    bootstrap_.reset();
    not_before_ = now_() + milliseconds(500);
    return;
  }
  for (std::size_t count = 1 + dice_.below(plan_.connections); count > 0; --count) {
    const Node& node = dice_.of(nodes);
    auto stream = dial_({node.host, node.port});
    if (!stream) continue;
    Work one{node.id,
             std::make_unique<Connection>(ledger_, told_, std::move(stream), dice_.below(UINT64_MAX))};
    one.connection->window = 1 + dice_.below(plan_.window);
    one.connection->bytes_per_turn = plan_.bytes_per_turn;
    if (plan_.sasl) authenticate(*one.connection, node.id);
    const std::size_t share = count == 1 ? left : dice_.below(left + 1);
    left -= share;
    for (std::size_t i = 0; i < share; ++i) one.connection->ask(some_order(dice_, plan_.mix, node.id));
    Order last = order_for(dice_, Kind::opaque, 1, node.id);
    last.key = 12;
    one.connection->ask(last);  // so that everything before it is known to have arrived
    works_.push_back(std::move(one));
  }
  // The bootstrap connection stays beside them or goes.
  if (dice_.one_in(2)) bootstrap_.reset();
  phase_ = Phase::working;
  if (works_.empty()) {
    bootstrap_.reset();
    phase_ = Phase::bootstrapping;
    not_before_ = now_() + milliseconds(200);
  }
}

bool Client::work() {
  bool moved = false;
  bool idle = true;
  for (Work& one : works_) {
    moved = one.connection->turn() || moved;
    done_ += one.connection->done() - one.counted;
    one.counted = one.connection->done();
    if (one.connection->idle() && one.connection->state() == Connection::State::open) continue;
    idle = false;
    if (broken(*one.connection)) return true;
  }
  if (!idle) return moved;
  bootstrap_.reset();
  if (done_ < plan_.goal) {
    works_.clear();
    phase_ = Phase::bootstrapping;
    return true;
  }
  for (Work& one : works_) {
    if (dice_.one_in(2)) {
      one.connection->close();
    } else {
      one.connection->half_close();
    }
  }
  phase_ = Phase::ending;
  return true;
}

bool Client::finish() {
  bool moved = false;
  bool open = false;
  for (Work& one : works_) {
    moved = one.connection->turn() || moved;
    open = open || one.connection->state() == Connection::State::open;
    if (one.connection->state() == Connection::State::reset && !plan_.failures)
      ledger_.violation(name_ + ": " + one.connection->text() + " was reset after its half-close");
  }
  if (open) return moved;
  works_.clear();
  phase_ = Phase::finished;
  return true;
}

std::string Client::text() const {
  std::string text = name_ + ": " + std::to_string(done_) + " of " + std::to_string(plan_.goal) +
                     " done, phase " + std::to_string(static_cast<int>(phase_)) + ", " +
                     std::to_string(failures_) + " failures";
  if (bootstrap_) text += "; bootstrap " + bootstrap_->text();
  for (const Work& one : works_)
    text += "; broker " + std::to_string(one.node) + " " + one.connection->text();
  return text;
}

}  // namespace kferry::simulation
