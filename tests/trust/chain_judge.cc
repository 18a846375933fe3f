// Judges certificate chains for the Go program in compare/, which runs this one and compares its verdicts with others.
// Speaks over standard input and output, one scenario at a time:
//
//   frame = size (u32, of the rest) kind (u8) content       numbers big-endian; str = u32 size, bytes; list = u32, items
//
//   I ▶  list chain, str key                    the listener's own identity in handshakes; once
//   S ▶  Scenario's fields, in order            judged at once by the trust store, or by a handshake:
//   D ▶◀ bytes of TLS
//   E ▶  the other side has left the handshake
//   V ◀  outcome (u8), str cause, str text, alert (u8), str subject, i64 good until, list of u32 path, list of str notes
//
// Bytes of TLS that arrive after a scenario's verdict are dropped.
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "tls/context.h"
#include "tls/engine.h"
#include "x509/trust.h"

using namespace kferry;

namespace {

constexpr std::size_t frame_size_max = 16 << 20;

enum class Outcome : std::uint8_t { accepted, refused, unloadable };

struct Scenario {
  bool handshake = false;
  x509::Role role = x509::Role::client;  // whose chain is judged: kferry is the other side
  tls::Version highest = tls::Version::tls_1_3;
  std::int64_t loaded_at_s = 0;  // when the trust store was made
  std::int64_t now_s = 0;
  std::string host;  // of a broker; empty: not verified
  std::vector<Bytes> authorities;
  std::vector<Bytes> revocations;
  std::vector<std::string> required_subjects;
  std::vector<Bytes> chain;  // judged by the trust store alone
};

struct Judgement {
  Outcome outcome = Outcome::refused;
  x509::Objection objection{};
  x509::Verdict verdict{};
  std::vector<x509::Note> notes{};
};

[[noreturn]] void give_up(const char* why) {
  dprintf(STDERR_FILENO, "chain_judge: %s\n", why);
  std::exit(2);
}

class Reader {
 public:
  explicit Reader(std::span<const std::byte> rest) : rest_(rest) {}

  std::uint64_t number(std::size_t size) {
    std::uint64_t value = 0;
    for (const std::byte byte : take(size)) value = value << 8 | std::to_integer<std::uint64_t>(byte);
    return value;
  }
  std::int64_t time() { return static_cast<std::int64_t>(number(8)); }
  Bytes bytes() {
    const auto bytes = take(number(4));
    return {bytes.begin(), bytes.end()};
  }
  std::string text() { return std::string(text_of(bytes())); }
  std::vector<Bytes> list() {
    std::vector<Bytes> items(number(4));
    for (Bytes& item : items) item = bytes();
    return items;
  }
  std::vector<std::string> texts() {
    std::vector<std::string> items;
    for (const Bytes& item : list()) items.emplace_back(text_of(item));
    return items;
  }

 private:
  std::span<const std::byte> take(std::size_t size) {
    if (size > rest_.size()) give_up("a frame is shorter than its fields");
    const auto taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  std::span<const std::byte> rest_;
};

class Writer {
 public:
  explicit Writer(char kind) : bytes_(4) { bytes_.push_back(static_cast<std::byte>(kind)); }

  Writer& number(std::uint64_t value, std::size_t size) {
    for (std::size_t i = size; i > 0; --i) bytes_.push_back(static_cast<std::byte>(value >> (8 * (i - 1))));
    return *this;
  }
  Writer& bytes(std::span<const std::byte> content) {
    bytes_.insert(bytes_.end(), content.begin(), content.end());
    return *this;
  }
  Writer& text(std::string_view text) { return number(text.size(), 4).bytes(bytes_of(text)); }

  void send() {
    const std::size_t size = bytes_.size() - 4;
    for (std::size_t i = 0; i < 4; ++i) bytes_[i] = static_cast<std::byte>(size >> (8 * (3 - i)));
    for (std::span<const std::byte> rest = bytes_; !rest.empty();) {
      const ssize_t written = ::write(STDOUT_FILENO, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) give_up("standard output is closed");
      rest = rest.subspan(static_cast<std::size_t>(written));
    }
  }

 private:
  Bytes bytes_;
};

struct Frame {
  char kind = 0;
  Bytes content;
};

// False at the end of standard input.
bool read_all(std::span<std::byte> room) {
  while (!room.empty()) {
    const ssize_t got = ::read(STDIN_FILENO, room.data(), room.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    room = room.subspan(static_cast<std::size_t>(got));
  }
  return true;
}

std::optional<Frame> next_frame() {
  Bytes head(5);
  if (!read_all(head)) return std::nullopt;
  Reader reader(head);
  const std::size_t size = reader.number(4);
  if (size == 0 || size > frame_size_max) give_up("a frame of a size that is not possible");
  Frame frame{static_cast<char>(reader.number(1)), Bytes(size - 1)};
  if (!read_all(frame.content)) give_up("standard input ends within a frame");
  return frame;
}

Scenario scenario_of(Reader reader) {
  Scenario scenario;
  scenario.handshake = reader.number(1) != 0;
  scenario.role = reader.number(1) == 0 ? x509::Role::client : x509::Role::broker;
  scenario.highest = reader.number(1) == 12 ? tls::Version::tls_1_2 : tls::Version::tls_1_3;
  scenario.loaded_at_s = reader.time();
  scenario.now_s = reader.time();
  scenario.host = reader.text();
  scenario.authorities = reader.list();
  scenario.revocations = reader.list();
  scenario.required_subjects = reader.texts();
  scenario.chain = reader.list();
  return scenario;
}

void send(const Judgement& judgement) {
  Writer writer('V');
  writer.number(std::to_underlying(judgement.outcome), 1);
  writer.text(judgement.objection.cause).text(judgement.objection.text).number(judgement.objection.alert, 1);
  writer.text(judgement.verdict.subject);
  writer.number(static_cast<std::uint64_t>(judgement.verdict.good_until_s), 8);
  writer.number(judgement.verdict.path.size(), 4);
  for (const std::size_t index : judgement.verdict.path) writer.number(index, 4);
  writer.number(judgement.notes.size(), 4);
  for (const x509::Note& note : judgement.notes) {
    writer.text(std::string(note.cause) + (note.unusable ? " (unusable): " : ": ") + note.text);
  }
  writer.send();
}

Judgement failed(Outcome outcome, const Failure& failure) {
  Judgement judgement{.outcome = outcome};
  judgement.objection = {failure.cause, failure.text, 0};
  return judgement;
}

Judgement judged_by_store(const Scenario& scenario) {
  x509::TrustSettings settings{scenario.role, scenario.authorities, scenario.revocations};
  for (const std::string& text : scenario.required_subjects) {
    auto rule = x509::SubjectRule::parse(text);
    if (!rule) return failed(Outcome::unloadable, rule.error());
    settings.subjects.push_back(std::move(*rule));
  }
  std::vector<x509::Note> notes;
  const auto store = x509::TrustStore::make(settings, scenario.loaded_at_s, notes);
  if (!store) return failed(Outcome::unloadable, store.error());
  const std::vector<std::span<const std::byte>> chain(scenario.chain.begin(), scenario.chain.end());
  Judgement judgement;
  judgement.verdict = (*store)->judge({chain, scenario.now_s, scenario.host});
  // A second time from what the first has left behind.
  const x509::Verdict again = (*store)->judge({chain, scenario.now_s, scenario.host});
  if (again.objection.text != judgement.verdict.objection.text || again.path != judgement.verdict.path ||
      again.good_until_s != judgement.verdict.good_until_s) {
    give_up("the same chain was judged differently the second time");
  }
  judgement.objection = judgement.verdict.objection;
  judgement.outcome = judgement.verdict.good() ? Outcome::accepted : Outcome::refused;
  judgement.notes = std::move(notes);
  return judgement;
}

std::int64_t clock_s = 0;

std::int64_t scenario_time() {
  return clock_s;
}

// kferry's side of a handshake, from the scenario to its verdict.
class Handshake {
 public:
  Handshake(const Scenario& scenario, const x509::Identity& identity) {
    clock_s = scenario.loaded_at_s;
    if (scenario.role == x509::Role::client) {
      serve(scenario, identity);
    } else {
      dial(scenario);
    }
    follow();
  }

  bool decided() const { return decided_; }

  void take(std::span<const std::byte> cipher) {
    while (!decided_ && !cipher.empty()) {
      const auto moved = engine_->feed(cipher, room_);
      cipher = cipher.subspan(moved.taken);
      follow();
      if (moved.taken == 0 && moved.made == 0) return;
    }
  }

  void end_of_input() {
    if (decided_) return;
    engine_->end_of_input();
    follow();
  }

 private:
  void serve(const Scenario& scenario, const x509::Identity& identity) {
    tls::ServerSettings settings;
    settings.offer.highest = scenario.highest;
    settings.identity = identity;
    settings.client_auth = tls::ClientAuth::require;
    settings.client_cas = scenario.authorities;
    settings.crls = scenario.revocations;
    settings.required_subjects = scenario.required_subjects;
    settings.wall_clock = scenario_time;
    auto context = tls::ServerContext::make(settings, nullptr);
    if (!context) return decide(failed(Outcome::unloadable, context.error()));
    clock_s = scenario.now_s;
    engine_ = tls::Engine::server([context = *context](std::string_view) { return context; });
  }

  void dial(const Scenario& scenario) {
    tls::ClientSettings settings;
    settings.offer.highest = scenario.highest;
    settings.cas = scenario.authorities;
    settings.crls = scenario.revocations;
    settings.verify_host_name = !scenario.host.empty();
    settings.wall_clock = scenario_time;
    auto context = tls::ClientContext::make(settings);
    if (!context) return decide(failed(Outcome::unloadable, context.error()));
    clock_s = scenario.now_s;
    engine_ = tls::Engine::client(*context, scenario.host, 9092);
  }

  void follow() {
    if (decided_) return;
    if (!engine_->to_send().empty()) {
      Writer('D').bytes(engine_->to_send()).send();
      engine_->sent(engine_->to_send().size());
    }
    if (engine_->state() == tls::Engine::State::handshaking) return;
    if (engine_->state() == tls::Engine::State::failed)
      return decide(failed(Outcome::refused, engine_->failure()));
    Judgement judgement{.outcome = Outcome::accepted};
    judgement.verdict.subject = engine_->peer_subject();
    decide(judgement);
  }

  void decide(const Judgement& judgement) {
    decided_ = true;
    send(judgement);
  }

  std::unique_ptr<tls::Engine> engine_;
  Bytes room_ = Bytes(1 << 15);
  bool decided_ = false;
};

}  // namespace

int main() {
  x509::Identity identity;
  std::optional<Handshake> handshake;
  while (const auto frame = next_frame()) {
    switch (frame->kind) {
      case 'I': {
        Reader reader(frame->content);
        identity.chain = reader.list();
        identity.key = Secret(reader.bytes());
        break;
      }
      case 'S': {
        if (handshake && !handshake->decided()) give_up("a scenario before the last one's verdict");
        handshake.reset();
        const Scenario scenario = scenario_of(Reader(frame->content));
        if (scenario.handshake) {
          handshake.emplace(scenario, identity);
        } else {
          send(judged_by_store(scenario));
        }
        break;
      }
      case 'D':
        if (handshake) handshake->take(frame->content);
        break;
      case 'E':
        if (handshake) handshake->end_of_input();
        break;
      default:
        give_up("a frame of unknown kind");
    }
  }
}
