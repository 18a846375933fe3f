#include "proxy/retirement.h"

#include "kafka/api_keys.h"

namespace kferry::proxy {
namespace {

// How many looks of a drain it takes until reading stops: the first may come at once.
constexpr std::uint8_t idle_looks = 2;
constexpr std::uint8_t busy_looks = 3;
constexpr std::uint8_t newcomer_looks = 10;

}  // namespace

bool Retirement::forms_group(const kafka::Conversation& conversation) {
  return conversation.awaits(kafka::join_group_key) || conversation.awaits(kafka::sync_group_key);
}

bool Retirement::waits_for_group(const kafka::Conversation& conversation) {
  return forms_group(conversation) && ++postponed_ * step <= patience;
}

bool Retirement::stops_reading(Seen seen) {
  if (looks_ < newcomer_looks) ++looks_;
  switch (seen) {
    case Seen::newcomer:
      return looks_ == newcomer_looks;
    case Seen::waiting:
      return false;
    case Seen::busy:
      return looks_ >= busy_looks;
    case Seen::idle:
      return looks_ >= idle_looks;
  }
  return false;
}

}  // namespace kferry::proxy
