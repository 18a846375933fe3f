#include "connection/connect_race.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace kferry::connection {

int ConnectRace::start(const SocketAddress& address, Instant until) {
  const auto place =
      std::ranges::find_if(attempts_, [](const Attempt& one) { return one.state == State::free; });
  KFERRY_ASSERT(place != attempts_.end());
  const auto index = static_cast<std::size_t>(place - attempts_.begin());
  const auto opened = ring_.connect(token(index), address);
  if (opened.error != 0) return opened.error;
  *place = {address, opened.socket, State::running, ring_.now(), until};
  ++outstanding_;
  ++running_;
  return 0;
}

Instant ConnectRace::next_timeout() const {
  Instant next = Instant::max();
  for (const Attempt& one : attempts_) {
    if (one.state == State::running) next = std::min(next, one.until);
  }
  return next;
}

void ConnectRace::shorten(Duration timeout) {
  for (Attempt& one : attempts_) one.until = std::min(one.until, one.since + timeout);
}

void ConnectRace::time_out(Instant now) {
  for (std::size_t i = 0; i < attempts_.size(); ++i) {
    Attempt& one = attempts_[i];
    if (one.state != State::running || one.until > now) continue;
    one.state = State::timing_out;
    --running_;
    ring_.cancel(token(i));
  }
}

ConnectRace::Result ConnectRace::on_completion(std::uint16_t kind, const ring::Completion& completion) {
  KFERRY_ASSERT(kind < attempts_max && outstanding_ > 0 && !completion.more);
  Attempt& attempt = attempts_[kind];
  KFERRY_ASSERT(attempt.state != State::free);
  --outstanding_;
  const State was = std::exchange(attempt.state, State::free);
  if (was == State::running) --running_;
  Result result{.address = attempt.address, .took = ring_.now() - attempt.since};
  if (was != State::lost && completion.result >= 0) {
    result.what = Result::What::won;
    result.socket = attempt.socket;
    return result;
  }
  ring_.close(attempt.socket, true);
  if (was == State::lost) return result;
  result.what = Result::What::failed;
  result.error = was == State::timing_out ? ETIMEDOUT : -completion.result;
  return result;
}

}  // namespace kferry::connection
