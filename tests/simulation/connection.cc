// See connection.h.
#include "connection.h"

#include <algorithm>

namespace kferry::simulation {
namespace {
constexpr std::size_t read_max = 256 * 1024;
}

Connection::Connection(Ledger& ledger, const Told& told, std::unique_ptr<Stream> stream, std::uint64_t seed)
    : ledger_(ledger), told_(told), stream_(std::move(stream)), dice_(seed), number_(ledger.open()) {}

Connection::~Connection() {
  close();
}

void Connection::ask(Order order) {
  waiting_.push_back(std::move(order));
  ++asked_;
}

void Connection::half_close_inside() {
  ledger_.connection(number_).cut_by_client = true;
  Order order = order_of(dice_, Kind::opaque, 1);
  order.key = 12;
  order.meant_for = ledger_.connection(number_).orders.empty()
                        ? std::nullopt
                        : ledger_.connection(number_).orders.front().meant_for;
  order.body_size = 500;
  const std::string bytes = encode(ledger_.enter(number_, order));
  output_ += bytes.substr(0, nonce_prefix + dice_.below(bytes.size() - nonce_prefix));
  half_close();
}

void Connection::end(State state) {
  state_ = state;
  waiting_.clear();
  output_.clear();
}

void Connection::close() {
  if (state_ == State::left || !stream_) return;
  if (state_ == State::open && written_ > 0) ledger_.connection(number_).cut_by_client = true;
  stream_->close();
  stream_.reset();
  if (state_ == State::open) end(State::left);
}

void Connection::reset() {
  if (state_ != State::open || !stream_) return;
  stream_->reset();
  stream_.reset();
  end(State::left);
}

void Connection::vanish() {
  if (state_ != State::open || !stream_) return;
  stream_->vanish();
  close();
}

bool Connection::turn() {
  if (state_ != State::open) return false;
  const bool sent = send();
  return receive() || sent;
}

bool Connection::send() {
  bool moved = false;
  std::size_t allowance = bytes_per_turn;
  for (;;) {
    const bool alone = !unanswered_.empty() && unanswered_.back().alone();
    if (output_.empty() && !waiting_.empty() && unanswered_.size() < window && !alone &&
        (!waiting_.front().alone() || unanswered_.empty())) {
      const Order order = ledger_.enter(number_, waiting_.front());
      waiting_.pop_front();
      output_ = encode(order);
      written_ = 0;
      if (order.answered()) {
        unanswered_.push_back(order);
      } else {
        ++done_;
      }
    }
    if (output_.empty()) break;
    const std::size_t taken =
        stream_->write(std::string_view(output_).substr(written_, std::min(allowance, output_.size())));
    written_ += taken;
    allowance -= taken;
    moved = moved || taken > 0;
    if (written_ < output_.size()) break;
    output_.clear();
    written_ = 0;
  }
  if (half_close_wanted_ && !half_closed_ && output_.empty() && waiting_.empty()) {
    half_closed_ = true;
    stream_->shutdown();
    return true;
  }
  return moved;
}

bool Connection::receive() {
  if (!reading) return false;
  bool moved = false;
  for (;;) {
    const std::string bytes = stream_->read(1 + dice_.below(read_max));
    if (!bytes.empty()) {
      moved = true;
      bytes_read_ += bytes.size();
      if (!compare(bytes)) {
        reset();
        return true;
      }
      continue;
    }
    if (stream_->was_reset()) {
      end(State::reset);
      return true;
    }
    if (!stream_->ended()) return moved;
    if (matched_ > 0)
      ledger_.violation(text() + ": a clean end inside an answer, after " + std::to_string(matched_) +
                        " of its " + std::to_string(expected_.size()) + " bytes");
    end(State::ended);
    return true;
  }
}

// The answer to the oldest unanswered order; false when none can be there yet.
bool Connection::next_expected() {
  if (unanswered_.empty()) return false;
  const Order& order = unanswered_.front();
  expected_reply_.reset();
  if (order.own()) {
    expected_ = own_answer(order);
  } else {
    const Reply* reply = ledger_.reply(order.nonce);
    if (reply == nullptr) return false;
    expected_reply_ = translate(*reply, told_);
    expected_ = encode(*expected_reply_);
  }
  matched_ = 0;
  return true;
}

bool Connection::compare(std::string_view bytes) {
  tail_.append(bytes);
  if (tail_.find(upstream_marker) != std::string::npos) {
    ledger_.violation(text() + ": an upstream host name reached the client");
    return false;
  }
  tail_.erase(0, tail_.size() - std::min(tail_.size(), upstream_marker.size() - 1));
  while (!bytes.empty()) {
    if (expected_.empty() && !next_expected()) {
      ledger_.violation(text() + ": " + std::to_string(bytes.size()) +
                        " bytes that no broker sent as an answer");
      return false;
    }
    const std::string_view want = std::string_view(expected_).substr(matched_);
    const std::size_t here = std::min(want.size(), bytes.size());
    if (want.substr(0, here) != bytes.substr(0, here)) {
      std::size_t at = 0;
      while (want[at] == bytes[at]) ++at;
      const Order& order = unanswered_.front();
      ledger_.violation(text() + ": the answer to key " + std::to_string(order.key) + " version " +
                        std::to_string(order.version) + " differs at byte " + std::to_string(matched_ + at) +
                        " of " + std::to_string(expected_.size()));
      return false;
    }
    bytes.remove_prefix(here);
    matched_ += here;
    ledger_.bytes_verified += here;
    if (matched_ < expected_.size()) break;
    expected_.clear();
    matched_ = 0;
    ++ledger_.replies_verified;
    ++done_;
    const Order& order = unanswered_.front();
    if ((order.kind == Kind::metadata || order.kind == Kind::describe_cluster) && !order.controllers)
      brokers_ = expected_reply_;
    ledger_.forget(order.nonce);
    unanswered_.pop_front();
  }
  return true;
}

std::string Connection::text() const {
  return "client connection " + std::to_string(number_) + " (" + std::to_string(done_) + " of " +
         std::to_string(asked_) + " done, " + std::to_string(unanswered_.size()) + " unanswered)";
}

}  // namespace kferry::simulation
