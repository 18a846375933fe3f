#include "cli/handed_state.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <span>
#include <utility>

#include "base/secret.h"

namespace kferry::cli {
namespace {

constexpr std::string_view first_line = "kferry-state 1";
constexpr std::string_view last_line = "end";
constexpr std::string_view digits = "0123456789abcdef";

std::string hex(std::span<const std::byte> bytes) {
  std::string text = bytes.empty() ? "-" : "";
  for (const std::byte byte : bytes) {
    text += digits[std::to_integer<std::size_t>(byte >> 4U)];
    text += digits[std::to_integer<std::size_t>(byte & std::byte{15})];
  }
  return text;
}

std::string hex(std::string_view text) {
  return hex(bytes_of(text));
}

std::optional<Bytes> unhex(std::string_view text) {
  if (text == "-") return Bytes{};
  if (text.size() % 2 != 0) return std::nullopt;
  Bytes bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const std::size_t high = digits.find(text[i]);
    const std::size_t low = digits.find(text[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    bytes.push_back(static_cast<std::byte>(high * 16 + low));
  }
  return bytes;
}

// The words of a line, one after the other. Sticky: after one that is missing or malformed, ok() is false.
class Words {
 public:
  explicit Words(std::string_view line) : left_(line) {}

  std::string_view word() {
    const std::size_t space = left_.find(' ');
    const std::string_view next = left_.substr(0, space);
    left_ = space == std::string_view::npos ? std::string_view() : left_.substr(space + 1);
    ok_ = ok_ && !next.empty();
    return next;
  }
  template <typename Number>
  Number number() {
    const std::string_view text = word();
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    ok_ = ok_ && error == std::errc{} && end == text.data() + text.size();
    return value;
  }
  Bytes bytes() {
    auto read = unhex(word());
    ok_ = ok_ && read.has_value();
    return read ? std::move(*read) : Bytes{};
  }
  std::string text() {
    const Bytes read = bytes();
    return std::string(text_of(read));
  }
  HostPort host_port() {
    std::string host = text();
    return {std::move(host), number<std::int32_t>()};
  }
  bool ok() const { return ok_; }

 private:
  std::string_view left_;
  bool ok_ = true;
};

// False: the line is malformed.
bool read_line(std::string_view line, HandedState& state) {
  Words words(line);
  const std::string_view what = words.word();
  if (what == "cluster") {
    state.clusters.emplace_back().name = words.text();
    return words.ok();
  }
  if (what == "ticket") {
    tls::TicketKeys::Handed& key = state.tickets.emplace_back();
    const Bytes name = words.bytes();
    key.key = Secret(words.bytes());
    key.age = std::chrono::seconds(words.number<std::uint32_t>());
    if (name.size() != key.name.size()) return false;
    std::ranges::copy(name, key.name.begin());
    return words.ok();
  }
  if (what != "server" && what != "id" && what != "class" && what != "answered" && what != "broker")
    return true;
  if (state.clusters.empty()) return false;
  proxy::ClusterMemory& cluster = state.clusters.back();
  if (what == "server") cluster.bootstrap_servers.push_back(words.host_port());
  if (what == "id") cluster.cluster_id = words.text();
  if (what == "class") (words.word() == "loopback" ? cluster.on_loopback : cluster.on_link_local) = true;
  if (what == "answered") cluster.upstream_answered = true;
  if (what == "broker") {
    proxy::ClusterMemory::Broker& broker = cluster.brokers.emplace_back();
    broker.id = NodeId{words.number<std::int32_t>()};
    broker.address = words.host_port();
    broker.listed = words.word() == "listed";
  }
  return words.ok();
}

}  // namespace

std::string state_text(const HandedState& state) {
  std::string text(first_line);
  const auto place = [](const HostPort& where) { return hex(where.host) + " " + std::to_string(where.port); };
  for (const proxy::ClusterMemory& cluster : state.clusters) {
    text += "\ncluster " + hex(cluster.name);
    for (const HostPort& server : cluster.bootstrap_servers) text += "\nserver " + place(server);
    text += "\nid " + hex(cluster.cluster_id);
    if (cluster.on_loopback) text += "\nclass loopback";
    if (cluster.on_link_local) text += "\nclass link-local";
    if (cluster.upstream_answered) text += "\nanswered";
    for (const auto& broker : cluster.brokers)
      text += "\nbroker " + std::to_string(number(broker.id)) + " " + place(broker.address) +
              (broker.listed ? " listed" : " unlisted");
  }
  for (const tls::TicketKeys::Handed& key : state.tickets) {
    const auto age_s = std::chrono::duration_cast<std::chrono::seconds>(key.age).count();
    text += "\nticket " + hex(key.name) + " " + hex(key.key.bytes()) + " " + std::to_string(age_s);
  }
  return text + "\n" + std::string(last_line) + "\n";
}

std::optional<HandedState> read_state(std::string_view text) {
  HandedState state;
  bool begun = false;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (!begun) {
      if (line != first_line) return std::nullopt;
      begun = true;
    } else if (line == last_line) {
      return state;
    } else if (!read_line(line, state)) {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace kferry::cli
