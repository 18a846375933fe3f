#include "operations/repeat_limit.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace kferry::operations {
namespace {

std::string key_of(std::string_view cause, std::string_view subject) {
  std::string key;
  key.reserve(cause.size() + 1 + subject.size());
  key.append(cause).append(1, '\0').append(subject);
  return key;
}

RepeatLimit::Options usable(RepeatLimit::Options options) {
  options.burst = std::max<std::uint32_t>(options.burst, 1);
  options.cause_burst = std::max<std::uint32_t>(options.cause_burst, 1);
  options.kinds_max = std::max<std::size_t>(options.kinds_max, 1);
  return options;
}

}  // namespace

RepeatLimit::RepeatLimit(Options options) : options_(usable(options)) {}

RepeatLimit::Kind* RepeatLimit::find(Kinds& kinds, const std::string& key) {
  const auto known = kinds.known.find(key);
  if (known == kinds.known.end()) return nullptr;
  kinds.uses.splice(kinds.uses.begin(), kinds.uses, known->second);
  return &*known->second;
}

RepeatLimit::Kind& RepeatLimit::begin(Kinds& kinds, std::string key, Kind kind, std::vector<Count>& over) {
  if (kinds.known.size() >= options_.kinds_max) end(kinds, std::prev(kinds.uses.end()), kind.began, over);
  kinds.uses.push_front(std::move(kind));
  kinds.windows.push_back(kinds.uses.begin());
  kinds.uses.front().window = std::prev(kinds.windows.end());
  kinds.known.emplace(std::move(key), kinds.uses.begin());
  return kinds.uses.front();
}

void RepeatLimit::end(Kinds& kinds, Use use, Instant now, std::vector<Count>& over) const {
  kinds.windows.erase(use->window);
  kinds.known.erase(key_of(use->cause, use->subject));
  if (use->more > 0) {
    over.push_back({.severity = use->severity,
                    .cause = std::move(use->cause),
                    .subject = std::move(use->subject),
                    .of_cause = &kinds == &causes_,
                    .more = use->more,
                    .in = std::min<Duration>(now - use->began, options_.window)});
  }
  kinds.uses.erase(use);
}

void RepeatLimit::end_windows(Instant now, std::vector<Count>& over, bool all) {
  for (Kinds* kinds : {&pairs_, &causes_}) {
    while (!kinds->windows.empty() && (all || now - kinds->windows.front()->began >= options_.window))
      end(*kinds, kinds->windows.front(), now, over);
  }
}

bool RepeatLimit::admit(Severity severity, std::string_view cause, std::string_view subject, Instant now,
                        std::vector<Count>& over) {
  end_windows(now, over);
  const auto hold_back = [severity](Kind& kind) {
    ++kind.more;
    kind.severity = std::min(kind.severity, severity);
    return false;
  };
  std::string cause_key = key_of(cause, {});
  Kind* of_cause = find(causes_, cause_key);
  if (of_cause == nullptr) {
    of_cause = &begin(causes_, std::move(cause_key),
                      {.cause = std::string(cause), .subject = {}, .severity = severity, .began = now}, over);
  }
  std::string key = key_of(cause, subject);
  Kind* pair = find(pairs_, key);
  if (pair != nullptr && pair->written >= options_.burst) return hold_back(*pair);
  if (of_cause->written >= options_.cause_burst) return hold_back(*of_cause);
  if (pair == nullptr) {
    pair = &begin(
        pairs_, std::move(key),
        {.cause = std::string(cause), .subject = std::string(subject), .severity = severity, .began = now},
        over);
  }
  ++pair->written;
  ++of_cause->written;
  return true;
}

}  // namespace kferry::operations
