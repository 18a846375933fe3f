// Responses; see replies.h. Layouts follow the schemas of Kafka 4.4, written again by hand.
#include "replies.h"

#include <algorithm>
#include <set>

namespace kferry::simulation {
namespace {

// Above it a Fetch is not rewritten but neutralised in place; near it the tests send nothing.
constexpr std::size_t exact_max = 60'000;

// A tag section: mostly empty, sometimes with an unknown tag.
void tags(Writer& out, Dice& dice) {
  if (!dice.one_in(8)) {
    out.uvarint(0);
    return;
  }
  const auto size = static_cast<std::uint32_t>(dice.below(140));
  out.uvarint(1);
  out.uvarint(9);
  out.uvarint(size);
  out.raw(filler(size, size));
}

void write_node(Writer& out, const Node& node, bool compact, bool rack, Dice& dice) {
  out.i32(node.id);
  out.string(node.host, compact);
  out.i32(node.port);
  if (rack) out.string(node.rack ? std::optional<std::string_view>(*node.rack) : std::nullopt, compact);
  if (compact) tags(out, dice);
}

std::string nodes_payload(const Reply& reply) {
  Writer out;
  Dice dice(reply.order.nonce + 1);
  out.count(reply.nodes.size(), true);
  for (const Node& node : reply.nodes) {
    Dice own(reply.order.nonce + static_cast<std::uint64_t>(node.id));
    write_node(out, node, true, true, own);
  }
  return out.take();
}

// The last tag section of Produce 10+ and Fetch 16+: NodeEndpoints is tag 0.
void endpoint_tags(Writer& out, const Reply& reply, Dice& dice) {
  const bool other = dice.one_in(4);
  const bool endpoints = reply.order.endpoints;
  out.uvarint((endpoints ? 1U : 0U) + (other ? 1U : 0U));
  const std::string payload = endpoints ? nodes_payload(reply) : std::string();
  if (endpoints && !reply.neutralised) {
    out.uvarint(0);
    out.uvarint(static_cast<std::uint32_t>(payload.size()));
    out.raw(payload);
  }
  if (other) {
    out.uvarint(5);
    out.uvarint(3);
    out.raw("abc");
  }
  if (endpoints && reply.neutralised) {
    out.uvarint(0x7F);
    out.uvarint(static_cast<std::uint32_t>(payload.size()));
    out.raw(std::string(payload.size(), '\0'));
  }
}

void records(Writer& out, const Reply& reply, std::size_t size) {
  out.uvarint(static_cast<std::uint32_t>(size) + 1);
  out.raw(filler(reply.order.nonce + size, size));
}

// One topic with a few partitions, led by brokers that may exist.
void topics(Writer& out, const Reply& reply) {
  const int version = reply.order.version;
  const bool compact = version >= 9;
  Dice own(reply.order.nonce + 5);
  const auto end = [&] {
    if (compact) out.uvarint(0);
  };
  const auto ids = [&](std::size_t count) {
    out.count(count, compact);
    for (; count > 0; --count) out.i32(static_cast<std::int32_t>(own.below(9)));
  };
  out.count(1, compact);
  out.i16(0);
  out.string("topic", compact);
  if (version >= 10) out.uuid(reply.order.nonce);
  if (version >= 1) out.i8(0);
  const std::size_t partitions = own.below(20);
  out.count(partitions, compact);
  for (std::size_t i = 0; i < partitions; ++i) {
    const auto leader = static_cast<std::int32_t>(own.below(9)) - 1;
    const bool none = std::ranges::find(reply.left_out, leader) != reply.left_out.end();
    out.i16(none ? 5 : 0);
    out.i32(static_cast<std::int32_t>(i));
    out.i32(none ? -1 : leader);
    if (version >= 7) out.i32(3);
    ids(3);
    ids(2);
    if (version >= 5) ids(own.below(2));
    end();
  }
  if (version >= 8) out.i32(7);
  end();
  if (version >= 8 && version <= 10) out.i32(7);
  if (version >= 13) out.i16(0);
}

void metadata(Writer& out, const Reply& reply, Dice& dice) {
  const int version = reply.order.version;
  const bool compact = version >= 9;
  if (version >= 3) out.i32(0);
  out.count(reply.nodes.size(), compact);
  for (const Node& node : reply.nodes) {
    Dice own(reply.order.nonce + static_cast<std::uint64_t>(node.id));
    write_node(out, node, compact, version >= 1, own);
  }
  if (version >= 2) out.string(reply.cluster_id, compact);
  if (version >= 1) out.i32(reply.controller);
  topics(out, reply);
  if (compact) tags(out, dice);
  out.raw(filler(reply.order.nonce, reply.order.reply_size));
}

void find_coordinator(Writer& out, const Reply& reply, Dice& dice) {
  const int version = reply.order.version;
  const bool compact = version >= 3;
  if (version >= 1) out.i32(0);
  if (version >= 4) {
    out.count(reply.nodes.size(), true);
    for (const Node& node : reply.nodes) {
      const bool none = node.id < 0;
      out.string("group", true);
      out.i32(node.id);
      out.string(node.host, true);
      out.i32(node.port);
      out.i16(none ? 15 : 0);
      out.string(std::nullopt, true);
      Dice own(reply.order.nonce + dice.below(1000));
      tags(out, own);
    }
  } else {
    const Node& node = reply.nodes.front();
    out.i16(node.id < 0 ? 15 : 0);
    if (version >= 1) out.string(std::nullopt, compact);
    out.i32(node.id);
    out.string(node.host, compact);
    out.i32(node.port);
  }
  if (compact) tags(out, dice);
}

void describe_cluster(Writer& out, const Reply& reply, Dice& dice) {
  const int version = reply.order.version;
  out.i32(0);
  out.i16(0);
  out.string(std::nullopt, true);
  if (version >= 1) out.i8(reply.order.controllers ? 2 : 1);
  out.string(reply.cluster_id, true);
  out.i32(reply.controller);
  out.count(reply.nodes.size(), true);
  for (const Node& node : reply.nodes) {
    Dice own(reply.order.nonce + static_cast<std::uint64_t>(node.id));
    out.i32(node.id);
    out.string(node.host, true);
    out.i32(node.port);
    out.string(node.rack ? std::optional<std::string_view>(*node.rack) : std::nullopt, true);
    if (version >= 2) out.i8(0);
    tags(out, own);
  }
  out.i32(7);  // authorized operations
  tags(out, dice);
}

void api_versions(Writer& out, const Reply& reply, Dice& dice) {
  const int version = reply.error == 35 ? 0 : reply.order.version;
  const bool compact = version >= 3;
  out.i16(reply.error);
  out.count(reply.ranges.size(), compact);
  for (const Range& range : reply.ranges) {
    out.i16(range.key);
    out.i16(range.min);
    out.i16(range.max);
    Dice own(reply.order.nonce + static_cast<std::uint64_t>(range.key));
    if (compact) tags(out, own);
  }
  if (version >= 1) out.i32(3);
  if (compact) tags(out, dice);
}

void produce(Writer& out, const Reply& reply, Dice& dice) {
  const int version = reply.order.version;
  const std::size_t topics = dice.below(4);
  out.count(topics, true);
  for (std::size_t t = 0; t < topics; ++t) {
    if (version >= 13) {
      out.uuid(t);
    } else {
      out.string("topic", true);
    }
    const std::size_t partitions = dice.below(4);
    out.count(partitions, true);
    for (std::size_t p = 0; p < partitions; ++p) {
      out.i32(static_cast<std::int32_t>(p));
      out.i16(6);
      for (int i = 0; i < 3; ++i) out.i64(-1);
      const std::size_t wrong = dice.below(2);
      out.count(wrong, true);
      for (std::size_t w = 0; w < wrong; ++w) {
        out.i32(1);
        out.string("bad record", true);
        tags(out, dice);
      }
      out.string(std::nullopt, true);
      tags(out, dice);
    }
    tags(out, dice);
  }
  out.i32(0);
  endpoint_tags(out, reply, dice);
}

void fetch(Writer& out, const Reply& reply, Dice& dice) {
  out.i32(0);
  out.i16(0);
  out.i32(77);
  std::size_t left = reply.order.reply_size;
  const std::size_t topics = 1 + dice.below(3);
  out.count(topics, true);
  for (std::size_t t = 0; t < topics; ++t) {
    out.uuid(t);
    const std::size_t partitions = 1 + dice.below(3);
    out.count(partitions, true);
    for (std::size_t p = 0; p < partitions; ++p) {
      out.i32(static_cast<std::int32_t>(p));
      out.i16(0);
      for (int i = 0; i < 3; ++i) out.i64(100);
      const std::size_t aborted = dice.below(3);
      out.uvarint(static_cast<std::uint32_t>(aborted == 2 ? 0 : aborted + 1));
      if (aborted == 1) {
        out.i64(1);
        out.i64(2);
        tags(out, dice);
      }
      out.i32(-1);
      const bool last = t + 1 == topics && p + 1 == partitions;
      const std::size_t here = last ? left : dice.below(left + 1);
      left -= here;
      records(out, reply, here);
      tags(out, dice);
    }
    tags(out, dice);
  }
  endpoint_tags(out, reply, dice);
}

void share_fetch(Writer& out, const Reply& reply, Dice& dice) {
  out.i32(0);
  out.i16(0);
  out.string(std::nullopt, true);
  out.i32(30'000);
  out.count(1, true);
  out.uuid(1);
  out.count(1, true);
  out.i32(0);
  out.i16(6);
  out.string(std::nullopt, true);
  out.i16(0);
  out.string("no", true);
  out.i32(3);
  out.i32(4);
  tags(out, dice);
  records(out, reply, reply.order.reply_size);
  out.count(1, true);
  out.i64(1);
  out.i64(2);
  out.i16(1);
  tags(out, dice);
  tags(out, dice);
  tags(out, dice);
  out.raw(nodes_payload(reply));
  tags(out, dice);
}

void share_acknowledge(Writer& out, const Reply& reply, Dice& dice) {
  out.i32(0);
  out.i16(0);
  out.string(std::nullopt, true);
  if (reply.order.version >= 2) out.i32(30'000);
  out.count(1, true);
  out.uuid(1);
  out.count(1, true);
  out.i32(0);
  out.i16(6);
  out.string(std::nullopt, true);
  out.i32(3);
  out.i32(4);
  tags(out, dice);
  tags(out, dice);
  tags(out, dice);
  out.raw(nodes_payload(reply));
  tags(out, dice);
}

void describe_quorum(Writer& out, const Reply& reply, Dice& dice) {
  out.i16(0);
  out.string(std::nullopt, true);
  out.count(1, true);
  out.string("__cluster_metadata", true);
  out.count(1, true);
  out.i32(0);
  out.i16(0);
  out.string(std::nullopt, true);
  out.i32(1);
  out.i32(2);
  out.i64(3);
  for (int list = 0; list < 2; ++list) {
    const std::size_t replicas = dice.below(3);
    out.count(replicas, true);
    for (std::size_t r = 0; r < replicas; ++r) {
      out.i32(static_cast<std::int32_t>(r));
      out.uuid(r);
      for (int i = 0; i < 3; ++i) out.i64(5);
      tags(out, dice);
    }
  }
  tags(out, dice);
  tags(out, dice);
  out.count(reply.nodes.size(), true);
  for (const Node& node : reply.nodes) {
    out.i32(node.id);
    out.count(reply.hidden_nodes ? 0 : 1, true);
    if (!reply.hidden_nodes) {
      out.string("CONTROLLER", true);
      out.string(node.host, true);
      out.i16(node.port);
      Dice own(reply.order.nonce);
      tags(out, own);
    }
    Dice own(reply.order.nonce + static_cast<std::uint64_t>(node.id));
    tags(out, own);
  }
  tags(out, dice);
}

bool structured(const Order& order) {
  switch (order.kind) {
    case Kind::metadata:
    case Kind::find_coordinator:
    case Kind::describe_cluster:
    case Kind::api_versions:
    case Kind::share_fetch:
    case Kind::share_acknowledge:
      return true;
    case Kind::produce:
      return order.version >= 10;
    case Kind::fetch:
      return order.version >= 16;
    case Kind::describe_quorum:
      return order.version >= 2;
    default:
      return false;
  }
}

// The versions this kferry decodes: what a client may be offered at most.
struct Known {
  std::int16_t key;
  std::int16_t min;
  std::int16_t max;
};
constexpr Known known[] = {{0, 0, 13}, {1, 0, 18}, {3, 0, 13}, {10, 0, 6}, {18, 0, 5},
                           {55, 0, 2}, {60, 0, 2}, {78, 1, 2}, {79, 1, 2}};
constexpr std::int16_t controllers_only[] = {52, 53, 54, 58, 59, 82};

}  // namespace

std::string encode(const Reply& reply) {
  const Order& order = reply.order;
  Writer out;
  if (order.kind == Kind::raw_token) {
    out.raw(filler(order.nonce + 1, order.reply_size));
    return out.frame();
  }
  out.i32(order.correlation_id);
  Dice dice(order.nonce);
  if (order.flexible() && order.kind != Kind::api_versions) tags(out, dice);
  if (!structured(order)) {
    if (order.kind == Kind::sasl_handshake) {
      out.i16(reply.error);
      out.count(1, false);
      out.string(order.scram ? "SCRAM-SHA-256" : "PLAIN", false);
    } else if (order.kind == Kind::sasl_authenticate) {
      out.i16(reply.error);
      out.string(std::nullopt, order.flexible());  // no message
      const auto size = static_cast<std::uint32_t>(order.reply_size);
      order.flexible() ? out.uvarint(size + 1) : out.i32(static_cast<std::int32_t>(size));
      out.raw(filler(order.nonce + 1, order.reply_size));
      if (order.version >= 1) out.i64(0);  // the session's lifetime is unlimited
      if (order.flexible()) out.uvarint(0);
    } else {
      out.raw(filler(order.nonce + 1, order.reply_size));
    }
    return out.frame();
  }
  switch (order.kind) {
    case Kind::metadata:
      metadata(out, reply, dice);
      break;
    case Kind::find_coordinator:
      find_coordinator(out, reply, dice);
      break;
    case Kind::describe_cluster:
      describe_cluster(out, reply, dice);
      break;
    case Kind::api_versions:
      api_versions(out, reply, dice);
      break;
    case Kind::produce:
      produce(out, reply, dice);
      break;
    case Kind::fetch:
      fetch(out, reply, dice);
      break;
    case Kind::share_fetch:
      share_fetch(out, reply, dice);
      break;
    case Kind::share_acknowledge:
      share_acknowledge(out, reply, dice);
      break;
    case Kind::describe_quorum:
      describe_quorum(out, reply, dice);
      break;
    default:
      break;
  }
  return out.frame();
}

Reply translate(const Reply& reply, const Told& told) {
  Reply translated = reply;
  const Order& order = reply.order;
  if (!structured(order)) return translated;
  if (order.kind == Kind::describe_quorum) {
    translated.hidden_nodes = true;
    return translated;
  }
  if (order.kind == Kind::api_versions) {
    translated.ranges.clear();
    for (Range range : reply.ranges) {
      const bool vendor = range.key >= 10'000;
      if (!vendor && (range.key > 94 || std::find(std::begin(controllers_only), std::end(controllers_only),
                                                  range.key) != std::end(controllers_only)))
        continue;
      const auto* row = std::find_if(std::begin(known), std::end(known),
                                     [&](const Known& candidate) { return candidate.key == range.key; });
      if (row != std::end(known)) {
        if (range.min > row->max || range.max < row->min) continue;
        range.max = std::min(range.max, row->max);
      }
      translated.ranges.push_back(range);
    }
    return translated;
  }
  if (order.kind == Kind::fetch && order.endpoints && order.reply_size > exact_max) {
    translated.neutralised = true;
    return translated;
  }
  if (order.controllers) {
    translated.nodes.clear();
    return translated;
  }
  translated.nodes.clear();
  std::set<std::int32_t> told_of;  // of a repeated id the first entry counts
  for (const Node& node : reply.nodes) {
    if (node.id < 0) {
      translated.nodes.push_back(node);
      continue;
    }
    if (order.kind != Kind::find_coordinator && !told_of.insert(node.id).second) continue;
    const bool lie = std::ranges::find(reply.lies, node.id) != reply.lies.end();
    const auto where = lie ? std::nullopt : told(node.id, reply.live);
    if (where) {
      translated.nodes.push_back(Node{node.id, where->host, where->port, node.rack});
    } else if (order.kind == Kind::find_coordinator) {
      translated.nodes.push_back(Node{});
    } else {
      translated.left_out.push_back(node.id);
      if (node.id == reply.controller) translated.controller = -1;
    }
  }
  return translated;
}

std::string own_answer(const Order& order) {
  Writer out;
  out.i32(order.correlation_id);
  out.i16(35);
  out.count(1, false);
  out.i16(18);
  out.i16(0);
  out.i16(5);
  return out.frame();
}

}  // namespace kferry::simulation
