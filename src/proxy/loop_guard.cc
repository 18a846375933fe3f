#include "proxy/loop_guard.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <utility>

#include "tls/digests.h"

namespace kferry::proxy {

LoopGuard::Pause LoopGuard::pause(const HostPort& place, std::string_view cluster, Instant now) {
  const std::scoped_lock lock(mutex_);
  const auto found = places_.find(place);
  if (found == places_.end() || found->second.unanswered < free) return {};
  Place& silent = found->second;
  if (now < silent.loops_until) return {};  // it is not dialled
  const bool looped = std::exchange(silent.loops_until, Instant{}) != Instant{};
  if (looped || silent.next_turn == Instant{}) {
    silent.paced_since = now;
    silent.next_turn = now + question_time;
    suspect(place, cluster);
  }
  const bool news = now - silent.paced_since >= news_after && !std::exchange(silent.told_silent, true);
  if (now < silent.next_turn) return {poll, news};
  silent.next_turn = now + turn;
  return {Duration::zero(), news};
}

void LoopGuard::opened(const HostPort& place) {
  const std::scoped_lock lock(mutex_);
  if (places_.size() >= places_max && !places_.contains(place)) places_.clear();
  unsigned& unanswered = places_[place].unanswered;
  if (unanswered < free) ++unanswered;
}

void LoopGuard::answered(const HostPort& place) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(marks_, [&place](const auto& one) { return one.second.place == place; });
  const auto found = places_.find(place);
  // What leads back may answer all the same: the last kferry of the circle lets a stand-in answer.
  if (found != places_.end() && found->second.loops_until == Instant{}) places_.erase(found);
}

// --- the question

void LoopGuard::suspect(const HostPort& place, std::string_view cluster) {
  const bool waits = std::ranges::any_of(
      suspects_, [&](const Suspect& one) { return one.place == place && one.cluster == cluster; });
  if (waits) return;
  if (suspects_.size() >= suspects_max) suspects_.pop_front();
  suspects_.push_back({place, std::string(cluster)});
}

std::optional<HostPort> LoopGuard::take_suspect(std::string_view cluster) {
  const std::scoped_lock lock(mutex_);
  const auto found = std::ranges::find(suspects_, cluster, &Suspect::cluster);
  if (found == suspects_.end()) return std::nullopt;
  HostPort place = std::move(found->place);
  suspects_.erase(found);
  return place;
}

std::string LoopGuard::mark(const HostPort& place, Instant now) {
  std::uint64_t value = 0;
  tls::random_bytes(std::as_writable_bytes(std::span(&value, 1)));
  std::array<char, 16> digits{};
  char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16).ptr;
  std::string text(digits.data(), end);
  text.insert(0, digits.size() - text.size(), '0');
  const std::scoped_lock lock(mutex_);
  std::erase_if(marks_, [now](const auto& one) { return one.second.until <= now; });
  if (marks_.size() >= marks_max)
    marks_.erase(std::ranges::min_element(marks_, {}, [](const auto& one) { return one.second.until; }));
  marks_.insert_or_assign(value, Mark{place, now + mark_lifetime});
  return text;
}

std::optional<LoopGuard::Returned> LoopGuard::returned(std::string_view mark, Instant now) {
  std::uint64_t value = 0;
  const char* const end = mark.data() + mark.size();
  if (mark.size() != 16 || std::from_chars(mark.data(), end, value, 16).ptr != end) return std::nullopt;
  const std::scoped_lock lock(mutex_);
  const auto found = marks_.find(value);
  if (found == marks_.end()) return std::nullopt;
  const Mark sent = std::move(found->second);
  marks_.erase(found);
  if (sent.until <= now) return std::nullopt;
  if (places_.size() >= places_max && !places_.contains(sent.place)) places_.clear();
  Place& place = places_[sent.place];
  place.unanswered = free;
  place.loops_until = now + loop_lifetime;
  place.next_turn = now + loop_lifetime;
  return Returned{sent.place, !std::exchange(place.told_loop, true)};
}

bool LoopGuard::leads_back(const HostPort& place, Instant now) const {
  const std::scoped_lock lock(mutex_);
  const auto found = places_.find(place);
  return found != places_.end() && now < found->second.loops_until;
}

}  // namespace kferry::proxy
