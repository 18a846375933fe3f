// Requests; see orders.h.
#include "orders.h"

#include <array>
#include <cstdio>

namespace kferry::simulation {
namespace {

struct Row {
  Kind kind;
  std::int16_t key;
  std::int16_t version_max;
  std::int16_t flexible_from;
};
constexpr std::int16_t never = 999;
constexpr std::array<Row, 14> rows = {{{Kind::opaque, 2, 11, never},
                                       {Kind::metadata, 3, 13, 9},
                                       {Kind::find_coordinator, 10, 6, 3},
                                       {Kind::describe_cluster, 60, 2, 0},
                                       {Kind::api_versions, 18, 5, 3},
                                       {Kind::produce, 0, 13, 9},
                                       {Kind::produce_unanswered, 0, 13, 9},
                                       {Kind::fetch, 1, 18, 12},
                                       {Kind::share_fetch, 78, 2, 0},
                                       {Kind::share_acknowledge, 79, 2, 0},
                                       {Kind::describe_quorum, 55, 2, 0},
                                       {Kind::sasl_handshake, 17, 1, never},
                                       {Kind::sasl_authenticate, 36, 2, 2},
                                       {Kind::raw_token, -1, 0, never}}};
const Row& row(Kind kind) {
  return rows.at(static_cast<std::size_t>(kind));
}

std::string client_id(const Order& order) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "sim-%016llx", static_cast<unsigned long long>(order.nonce));
  return text.data();
}

}  // namespace

bool Order::bootstrap() const {
  switch (kind) {
    case Kind::metadata:
    case Kind::find_coordinator:
    case Kind::describe_cluster:
    case Kind::api_versions:
    case Kind::sasl_handshake:
    case Kind::sasl_authenticate:
    case Kind::raw_token:
      return true;
    default:
      return key == 22 || key == 71 || key == 72;
  }
}

bool Order::alone() const {
  return kind == Kind::raw_token || kind == Kind::sasl_handshake || kind == Kind::sasl_authenticate;
}

bool Order::flexible() const {
  return version >= row(kind).flexible_from;
}

std::string encode(const Order& order) {
  Writer out;
  if (order.kind == Kind::raw_token) {
    out.raw(filler(order.nonce, order.body_size));
    return out.frame();
  }
  out.i16(order.key);
  out.i16(order.version);
  out.i32(order.correlation_id);
  out.string(client_id(order), false);
  const bool flexible = order.flexible();
  if (flexible) out.uvarint(0);
  switch (order.kind) {
    case Kind::produce:
    case Kind::produce_unanswered:
      if (order.version >= 3) out.string(std::nullopt, order.version >= 9);
      out.i16(order.kind == Kind::produce ? (order.nonce % 2 == 0 ? 1 : -1) : 0);
      break;
    case Kind::api_versions:
      if (order.version >= 3) {
        out.string("simulated", true);
        out.string("1.0", true);
        if (order.version >= 5) {
          out.string(std::nullopt, true);
          out.i32(order.meant_for.value_or(-1));
        }
        out.uvarint(0);
      }
      return out.frame();
    case Kind::sasl_handshake:
      out.string(order.scram ? "SCRAM-SHA-256" : "PLAIN", false);
      return out.frame();
    case Kind::sasl_authenticate:
      if (flexible) {
        out.uvarint(static_cast<std::uint32_t>(order.body_size) + 1);
      } else {
        out.i32(static_cast<std::int32_t>(order.body_size));
      }
      out.raw(filler(order.nonce, order.body_size));
      if (flexible) out.uvarint(0);
      return out.frame();
    default:
      break;
  }
  out.raw(filler(order.nonce, order.body_size));
  return out.frame();
}

std::optional<std::uint64_t> nonce_in(std::string_view bytes) {
  if (bytes.size() < nonce_prefix || bytes.substr(14, 4) != "sim-") return std::nullopt;
  std::uint64_t nonce = 0;
  for (const char c : bytes.substr(18, 16)) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'a' || c > 'f')) return std::nullopt;
    nonce = nonce << 4U | static_cast<std::uint64_t>(digit ? c - '0' : c - 'a' + 10);
  }
  return nonce;
}

Order order_of(Dice& dice, Kind kind, std::int16_t version) {
  Order order;
  order.kind = kind;
  order.key = row(kind).key;
  order.version = version;
  // Ids repeat, as Java's do when it authenticates again.
  order.correlation_id = static_cast<std::int32_t>(dice.one_in(2) ? dice.below(8) : dice.below(0x7FFFFFFF));
  order.body_size = kind == Kind::raw_token ? 1 + dice.below(60) : dice.below(100);
  order.reply_size = dice.below(100);
  return order;
}

Order some_order(Dice& dice, const Mix& mix, std::optional<std::int32_t> meant_for) {
  static constexpr std::array<Kind, 4> bootstrap_kinds = {Kind::metadata, Kind::find_coordinator,
                                                          Kind::describe_cluster, Kind::api_versions};
  static constexpr std::array<Kind, 7> broker_kinds = {
      Kind::produce,     Kind::produce_unanswered, Kind::fetch,          Kind::fetch,
      Kind::share_fetch, Kind::share_acknowledge,  Kind::describe_quorum};
  // Opaque to kferry: ListOffsets, OffsetCommit, JoinGroup, Heartbeat, SyncGroup, CreateTopics,
  // DeleteRecords, AddPartitionsToTxn, DescribeAcls, DescribeConfigs, DescribeLogDirs, a vendor's own.
  static constexpr std::array<std::int16_t, 12> opaque_keys = {2,  8,  11, 12, 14, 19,
                                                               21, 24, 29, 32, 35, 10'001};
  Kind kind = Kind::opaque;
  if (mix.only_bootstrap || (!mix.only_opaque && dice.one_in(4))) kind = dice.of(bootstrap_kinds);
  if (!mix.only_bootstrap && !mix.only_opaque && dice.one_in(2)) kind = dice.of(broker_kinds);
  if (kind == Kind::produce_unanswered && !mix.unanswered) kind = Kind::produce;
  const std::int16_t lowest = kind == Kind::share_fetch || kind == Kind::share_acknowledge ? 1 : 0;
  Order order = order_of(dice, kind, dice.between<std::int16_t>(lowest, row(kind).version_max));
  order.meant_for = meant_for;
  if (kind == Kind::opaque) order.key = dice.of(opaque_keys);
  if (kind == Kind::api_versions && dice.one_in(6))
    order.version = static_cast<std::int16_t>(6 + dice.below(100));
  order.body_size = dice.below(mix.body_max + 1);
  order.reply_size = dice.below(mix.reply_max + 1);
  if (kind == Kind::opaque && mix.large_one_in > 0 && dice.one_in(mix.large_one_in)) {
    (dice.one_in(2) ? order.body_size : order.reply_size) = 1'100'000 + dice.below(400'000);
  }
  order.endpoints = mix.endpoints && dice.one_in(3);
  // Near the size up to which a Fetch is rewritten exactly nothing is asked; long ShareFetches come without
  // nodes.
  if (kind == Kind::fetch && order.endpoints && order.reply_size > 50'000 && order.reply_size < 80'000)
    order.reply_size = 90'000;
  if (kind == Kind::share_fetch && order.reply_size > 50'000) order.endpoints = false;
  order.controllers = kind == Kind::describe_cluster && order.version > 0 && dice.one_in(4);
  return order;
}

}  // namespace kferry::simulation
