#include "proxy/authentication.h"

#include <algorithm>

#include "base/assert.h"

namespace kferry::proxy {
namespace {

// After so many answers with error 0 the client is accepted; 0: they decide nothing. In the order of `mechanisms`.
constexpr std::array<std::uint8_t, Authentication::mechanisms.size()> deciding_answers = {1, 2, 2, 0,
                                                                                          0, 1, 0};

}  // namespace

void Authentication::begin(std::string_view mechanism, bool raw_tokens) {
  const auto known = std::ranges::find(mechanisms, mechanism);
  const std::size_t last = mechanisms.size() - 1;
  mechanism_ =
      static_cast<std::uint8_t>(std::min(static_cast<std::size_t>(known - mechanisms.begin()), last));
  state_ = State::begun;
  answers_ = 0;
  raw_tokens_ = raw_tokens;
  again_ = accepted_once_;
  error_code_ = 0;
}

bool Authentication::on_handshake_answer(std::int16_t error_code) {
  if (state_ != State::begun) return false;
  if (error_code != 0) return refuse(error_code);
  state_ = State::exchanging;
  return false;
}

bool Authentication::on_token_answer(std::int16_t error_code) {
  if (!pending()) return false;
  if (error_code != 0) return refuse(error_code);
  state_ = State::exchanging;
  ++answers_;
  return answers_ == deciding_answers[mechanism_] && accept();
}

bool Authentication::on_other_answer() {
  return state_ == State::exchanging && (answers_ > 0 || raw_tokens_) && accept();
}

// With SaslHandshake 0 that is how a broker refuses. In later versions it says so first.
bool Authentication::on_broker_closed() {
  return state_ == State::exchanging && raw_tokens_ && refuse(0);
}

Authentication::Outcome Authentication::outcome() const {
  KFERRY_ASSERT(begun());
  if (state_ == State::accepted) return Outcome::accepted;
  return state_ == State::refused ? Outcome::refused : Outcome::unfinished;
}

bool Authentication::accept() {
  state_ = State::accepted;
  accepted_once_ = true;
  return true;
}

bool Authentication::refuse(std::int16_t error_code) {
  state_ = State::refused;
  error_code_ = error_code;
  return true;
}

}  // namespace kferry::proxy
