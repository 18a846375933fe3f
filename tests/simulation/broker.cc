// See broker.h.
#include "broker.h"

#include <algorithm>
#include <array>

namespace kferry::simulation {
namespace {

constexpr std::string_view discovery_id = "kferry-discovery";
constexpr std::string_view health_id = "kferry-health";
// The correlation id of a session's own Metadata.
constexpr std::string_view question_id = "kfer";
constexpr std::size_t read_max = 256 * 1024;

struct Answer {
  Instant at{};
  std::string bytes;
};

}  // namespace

struct Broker::Conversation {
  std::unique_ptr<Stream> stream;
  std::string input;                   // received, not yet compared
  std::string expected;                // the request that must come now
  std::size_t matched = 0;             // bytes of it that came
  std::optional<std::int32_t> number;  // in the ledger
  bool discovery = false;
  bool authenticated = false;
  std::size_t requests = 0;
  std::deque<Answer> answers;
  std::string output;  // the answer being written
  std::size_t written = 0;
  std::size_t answered = 0;
  Fate fate;
  bool input_ended = false;
  bool output_ended = false;
  bool gone = false;

  bool fate_due() const {
    return fate.ending != Ending::none && fate.ending != Ending::silence && answered >= fate.after_answers &&
           requests >= fate.after_requests && output.empty();
  }
};

Broker::Broker(std::int32_t id, Cluster& cluster, Ledger& ledger, Clock now, std::uint64_t seed)
    : id_(id), cluster_(cluster), ledger_(ledger), now_(std::move(now)), dice_(seed) {}

Broker::~Broker() = default;

void Broker::serve(std::unique_ptr<Acceptor> acceptor) {
  acceptor_ = std::move(acceptor);
}

void Broker::kill() {
  if (acceptor_) acceptor_->close();
  acceptor_.reset();
  for (const auto& conversation : connections_) {
    if (!conversation->gone) conversation->stream->reset();
  }
  connections_.clear();
}

void Broker::vanish() {
  for (const auto& conversation : connections_) {
    conversation->stream->vanish();
    conversation->stream->close();
  }
  connections_.clear();
}

bool Broker::turn() {
  bool moved = false;
  while (auto stream = acceptor_ ? acceptor_->accept() : nullptr) {
    moved = true;
    if (connections_.size() >= connections_max) {
      stream->close();
      ++connections_refused_;
      continue;
    }
    auto conversation = std::make_unique<Conversation>();
    conversation->stream = std::move(stream);
    connections_.push_back(std::move(conversation));
    ++connections_made_;
  }
  for (const auto& conversation : connections_) moved = turn(*conversation) || moved;
  std::erase_if(connections_, [](const auto& conversation) { return conversation->gone; });
  return moved;
}

std::optional<Instant> Broker::wake() const {
  std::optional<Instant> soonest;
  for (const auto& conversation : connections_) {
    if (conversation->answers.empty() || conversation->answers.front().at <= now_()) continue;
    if (!soonest || conversation->answers.front().at < *soonest) soonest = conversation->answers.front().at;
  }
  return soonest;
}

bool Broker::turn(Conversation& conversation) {
  bool moved = take_requests(conversation);
  if (!conversation.gone) moved = send_answers(conversation) || moved;
  if (!conversation.gone) moved = apply_fate(conversation) || moved;
  if (conversation.gone || !conversation.input_ended || !conversation.output.empty()) return moved;
  if (!conversation.answers.empty() && conversation.fate.ending != Ending::silence) return moved;
  conversation.stream->close();  // as Kafka does when a client has ended
  conversation.gone = true;
  return true;
}

bool Broker::take_requests(Conversation& conversation) {
  if (!reading) return false;
  if (conversation.input_ended) {
    // Only the answers still matter, unless no one is left to take them.
    if (conversation.stream->read(read_max).empty() && conversation.stream->was_reset()) {
      if (conversation.number) ledger_.connection(*conversation.number).broker_reset = true;
      conversation.stream->close();
      conversation.gone = true;
      return true;
    }
    return false;
  }
  bool moved = false;
  for (;;) {
    const std::string bytes = conversation.stream->read(read_max);
    if (!bytes.empty()) {
      moved = true;
      conversation.input += bytes;
      if (!match(conversation)) {
        conversation.stream->reset();
        conversation.gone = true;
        return true;
      }
      continue;
    }
    Ledger::Connection* entry = conversation.number ? &ledger_.connection(*conversation.number) : nullptr;
    if (conversation.stream->was_reset()) {
      if (entry != nullptr) entry->broker_reset = true;
      conversation.stream->close();
      conversation.gone = true;
      return true;
    }
    if (!conversation.stream->ended()) return moved;
    conversation.input_ended = true;
    if (entry != nullptr) {
      entry->broker_ended = true;
      if (conversation.matched > 0 && !entry->cut_by_client)
        ledger_.violation("broker " + std::to_string(id_) + " saw an end inside a request of connection " +
                          std::to_string(*conversation.number) + " that its client did not cut");
    }
    return true;
  }
}

// False: what came is not what was sent; noted.
bool Broker::match(Conversation& conversation) {
  const auto wrong = [&](const std::string& what) {
    ledger_.violation("broker " + std::to_string(id_) + ": " + what);
    return false;
  };
  if (!conversation.number && !conversation.discovery) {
    if (conversation.input.size() < nonce_prefix) return true;
    // Health is not what is tested, so that it may go without an answer.
    if (conversation.input.substr(14, health_id.size()) == health_id) return true;
    if (conversation.input.substr(14, discovery_id.size()) == discovery_id) {
      conversation.discovery = true;
      ++discoveries_;
    } else {
      const auto nonce = nonce_in(conversation.input);
      const auto number = nonce ? ledger_.begun_by(*nonce) : std::nullopt;
      if (!number) return wrong("a first request that no client sent");
      conversation.number = number;
      if (++ledger_.connection(*number).bound > 1)
        return wrong("connection " + std::to_string(*number) + " was carried twice");
      conversation.fate = fate();
    }
  }
  if (conversation.discovery) return on_discovery(conversation);
  Ledger::Connection& entry = ledger_.connection(*conversation.number);
  std::string_view rest = conversation.input;
  while (!rest.empty()) {
    if (conversation.expected.empty()) {
      if (rest.size() < 4) break;
      const std::size_t size = 4 + static_cast<std::size_t>(number_at(rest, 0, 4));
      if (rest.size() < std::min<std::size_t>(size, 12)) break;  // too little to tell whose request this is
      if (size > 12 && rest.substr(8, question_id.size()) == question_id) {
        if (rest.size() < size) break;
        on_question(conversation, static_cast<std::int16_t>(number_at(rest, 6, 2)));
        rest.remove_prefix(size);
        continue;
      }
      while (entry.seen < entry.orders.size() && entry.orders[entry.seen].own()) ++entry.seen;
      if (entry.seen == entry.orders.size())
        return wrong(std::to_string(rest.size()) + " bytes on connection " +
                     std::to_string(*conversation.number) + " that no client sent");
      const Order& order = entry.orders[entry.seen];
      if (!order.bootstrap() && order.meant_for != id_)
        return wrong("a request with key " + std::to_string(order.key) + " meant for broker " +
                     (order.meant_for ? std::to_string(*order.meant_for) : "no broker") + " reached it");
      if (order.kind == Kind::api_versions && order.version == 5 && order.meant_for.value_or(id_) != id_)
        return wrong("an ApiVersions that names broker " + std::to_string(*order.meant_for) + " reached it");
      conversation.expected = encode(order);
      conversation.matched = 0;
    }
    const std::string_view want = std::string_view(conversation.expected).substr(conversation.matched);
    const std::size_t here = std::min(want.size(), rest.size());
    if (want.substr(0, here) != rest.substr(0, here)) {
      std::size_t at = 0;
      while (want[at] == rest[at]) ++at;
      return wrong(
          "request " + std::to_string(entry.seen) + " (key " + std::to_string(entry.orders[entry.seen].key) +
          ") of connection " + std::to_string(*conversation.number) + " differs at byte " +
          std::to_string(conversation.matched + at) + " of " + std::to_string(conversation.expected.size()));
    }
    rest.remove_prefix(here);
    conversation.matched += here;
    if (conversation.matched < conversation.expected.size()) break;
    conversation.expected.clear();
    conversation.matched = 0;
    const Order order = entry.orders[entry.seen++];
    on_request(conversation, order);
  }
  conversation.input.erase(0, conversation.input.size() - rest.size());
  return true;
}

// A session's own Metadata, on its client's connection.
void Broker::on_question(Conversation& conversation, std::int16_t version) {
  ++questions_;
  if (conversation.fate.ending == Ending::silence) return;
  Writer out;
  out.raw(question_id);
  if (version >= 3) out.i32(0);
  write_brokers(out);
  if (version >= 2) out.string(cluster_.id, false);
  out.i32(-1);
  out.i32(0);
  conversation.answers.push_back(
      {now_() + Duration(dice_.between<std::int64_t>(answer_delay_min.count(), answer_delay_max.count())),
       out.frame()});
}

void Broker::write_brokers(Writer& out) const {
  out.count(cluster_.nodes.size(), false);
  for (const Node& node : cluster_.nodes) {
    out.i32(node.id);
    out.string(node.host, false);
    out.i32(node.port);
    out.string(std::nullopt, false);
  }
}

void Broker::on_request(Conversation& conversation, const Order& order) {
  ++ledger_.requests_seen;
  ++conversation.requests;
  if (!order.answered() || conversation.fate.ending == Ending::silence) return;
  Reply reply = reply_to(order);
  if (lie) lie(reply);
  ledger_.answer(reply);
  Answer answer;
  answer.at =
      now_() + Duration(dice_.between<std::int64_t>(answer_delay_min.count(), answer_delay_max.count()));
  answer.bytes = encode(reply);
  const std::size_t place =
      conversation.answered + conversation.answers.size() + (conversation.output.empty() ? 0 : 1);
  if (conversation.fate.ending == Ending::wrong_correlation && place == conversation.fate.after_answers)
    answer.bytes[7] = static_cast<char>(answer.bytes[7] ^ 0x15);
  if (conversation.fate.ending == Ending::garbage && place >= conversation.fate.after_answers &&
      order.kind == Kind::metadata) {
    // More brokers than the frame can hold.
    Writer out;
    out.i32(order.correlation_id);
    for (int i = 0; i < 8; ++i) out.i32(0x7F7F7F7F);
    answer.bytes = out.frame();
  }
  conversation.answers.push_back(std::move(answer));
}

Reply Broker::reply_to(const Order& order) {
  Reply reply;
  reply.order = order;
  reply.cluster_id = cluster_.id;
  for (const Node& node : cluster_.nodes) reply.live.push_back(node.id);
  const auto some = [&](std::size_t most) {
    for (std::size_t count = 1 + dice_.below(most); count > 0; --count)
      reply.nodes.push_back(dice_.of(cluster_.nodes));
  };
  if (!cluster_.nodes.empty()) reply.controller = dice_.of(cluster_.nodes).id;
  switch (order.kind) {
    case Kind::metadata:
    case Kind::describe_cluster:
    case Kind::describe_quorum:
      reply.nodes = cluster_.nodes;
      break;
    case Kind::find_coordinator:
      if (cluster_.nodes.empty() || dice_.one_in(5)) {
        reply.nodes.emplace_back();
      } else {
        some(order.version >= 4 ? 3 : 1);
      }
      break;
    case Kind::produce:
    case Kind::fetch:
    case Kind::share_fetch:
    case Kind::share_acknowledge:
      if (order.endpoints && !cluster_.nodes.empty()) some(2);
      break;
    case Kind::api_versions:
      reply.ranges = cluster_.ranges;
      if (order.version > api_versions_max) {
        reply.error = 35;
        reply.ranges = {{18, 0, api_versions_max}};
      }
      break;
    default:
      break;
  }
  return reply;
}

// kferry's own questions: Metadata 2, SaslHandshake 1, SaslAuthenticate 0.
bool Broker::on_discovery(Conversation& conversation) {
  while (conversation.input.size() >= 4) {
    const auto size = static_cast<std::size_t>(number_at(conversation.input, 0, 4));
    if (conversation.input.size() < 4 + size) return true;
    const std::string frame = conversation.input.substr(4, size);
    conversation.input.erase(0, 4 + size);
    const auto key = static_cast<std::int16_t>(number_at(frame, 0, 2));
    const std::string body = frame.substr(10 + discovery_id.size());
    Writer out;
    out.i32(static_cast<std::int32_t>(number_at(frame, 4, 4)));
    if (key == 17) {
      out.i16(0);
      out.count(1, false);
      out.string("PLAIN", false);
    } else if (key == 36) {
      const std::string token =
          std::string(1, '\0') + cluster_.username + std::string(1, '\0') + cluster_.password;
      conversation.authenticated = body.size() > 4 && body.substr(4) == token;
      out.i16(conversation.authenticated ? 0 : 58);
      out.string(conversation.authenticated ? std::nullopt : std::optional<std::string_view>("no"), false);
      out.i32(0);
    } else if (key == 3 && (cluster_.username.empty() || conversation.authenticated)) {
      write_brokers(out);
      out.string(cluster_.id, false);
      out.i32(-1);
      out.i32(0);
    } else {
      return false;  // as a broker that wants credentials first
    }
    conversation.answers.push_back(
        {now_() + Duration(dice_.between<std::int64_t>(answer_delay_min.count(), answer_delay_max.count())),
         out.frame()});
  }
  return true;
}

bool Broker::send_answers(Conversation& conversation) {
  bool moved = false;
  if (conversation.requests < conversation.fate.after_requests) return false;
  while (!conversation.output_ended) {
    if (conversation.output.empty()) {
      if (conversation.answers.empty() || conversation.answers.front().at > now_()) return moved;
      const bool held = conversation.fate_due() && (conversation.fate.ending == Ending::close ||
                                                    conversation.fate.ending == Ending::reset ||
                                                    conversation.fate.ending == Ending::close_mid_frame ||
                                                    conversation.fate.ending == Ending::reset_mid_frame);
      if (held) return moved;
      conversation.output = std::move(conversation.answers.front().bytes);
      conversation.answers.pop_front();
      conversation.written = 0;
    }
    const std::size_t taken =
        conversation.stream->write(std::string_view(conversation.output).substr(conversation.written));
    bytes_written_ += taken;
    conversation.written += taken;
    moved = moved || taken > 0;
    if (conversation.written < conversation.output.size()) return moved;
    conversation.output.clear();
    ++conversation.answered;
  }
  return moved;
}

bool Broker::apply_fate(Conversation& conversation) {
  if (!conversation.fate_due()) return false;
  switch (conversation.fate.ending) {
    case Ending::close:
      conversation.stream->close();
      conversation.gone = true;
      return true;
    case Ending::reset:
      conversation.stream->reset();
      conversation.gone = true;
      return true;
    case Ending::close_mid_frame:
    case Ending::reset_mid_frame: {
      if (conversation.answers.empty()) return false;
      const std::string& next = conversation.answers.front().bytes;
      const std::size_t part = 1 + dice_.below(next.size() - 1);
      if (conversation.stream->write(std::string_view(next).substr(0, part)) == 0) return false;
      if (conversation.fate.ending == Ending::reset_mid_frame) {
        conversation.stream->reset();
      } else {
        conversation.stream->close();
      }
      conversation.gone = true;
      return true;
    }
    case Ending::unasked: {
      if (!conversation.answers.empty()) return false;
      Writer out;
      out.i32(0x777);
      out.raw("nobody asked");
      conversation.output = out.frame();
      conversation.written = 0;
      conversation.fate.ending = Ending::none;
      return true;
    }
    default:
      return false;
  }
}

}  // namespace kferry::simulation
