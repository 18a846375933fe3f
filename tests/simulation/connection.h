// A simulated client's connection to kferry: sends orders, so many at a time, and checks every byte of what
// comes back: each answer once, in order, as kferry must have translated it, and never an end inside one.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "bytes.h"
#include "ledger.h"
#include "replies.h"
#include "stream.h"

namespace kferry::simulation {

class Connection final : public Party {
 public:
  // `told` outlives it.
  Connection(Ledger& ledger, const Told& told, std::unique_ptr<Stream> stream, std::uint64_t seed);
  ~Connection() override;

  // Sends it once there is room in the window.
  void ask(Order order);
  // FIN once everything asked so far has been written; reading continues.
  void half_close() { half_close_wanted_ = true; }
  // Half-closes inside a request that is announced and never finished.
  void half_close_inside();
  void close();
  void reset();
  // Gone without FIN or reset.
  void vanish();
  bool turn() override;

  std::size_t window = 8;
  std::size_t bytes_per_turn = SIZE_MAX;  // written
  bool reading = true;

  enum class State : std::uint8_t {
    open,
    ended,
    reset,
    left
  };  // ended: FIN after a whole answer; left: by us
  State state() const { return state_; }
  std::int32_t number() const { return number_; }
  std::size_t asked() const { return asked_; }
  // Orders done: answered, or written where no answer is due.
  std::size_t done() const { return done_; }
  bool idle() const { return waiting_.empty() && unanswered_.empty() && output_.empty(); }
  std::size_t unanswered() const { return unanswered_.size(); }
  bool written() const { return output_.empty() && waiting_.empty(); }
  std::uint64_t bytes_read() const { return bytes_read_; }
  // The brokers of the last whole Metadata or DescribeCluster answer, as kferry told them.
  const std::optional<Reply>& brokers() const { return brokers_; }
  std::string text() const;

 private:
  bool send();
  bool receive();
  bool compare(std::string_view bytes);
  bool next_expected();
  void end(State state);

  Ledger& ledger_;
  const Told& told_;
  std::unique_ptr<Stream> stream_;
  Dice dice_;
  const std::int32_t number_;
  State state_ = State::open;
  std::deque<Order> waiting_;
  std::deque<Order> unanswered_;
  std::string output_;
  std::size_t written_ = 0;
  std::string expected_;  // the answer that comes now
  std::size_t matched_ = 0;
  std::optional<Reply> expected_reply_;
  std::optional<Reply> brokers_;
  std::string tail_;  // the last bytes, for a marker across two reads
  std::size_t asked_ = 0;
  std::size_t done_ = 0;
  std::uint64_t bytes_read_ = 0;
  bool half_close_wanted_ = false;
  bool half_closed_ = false;
};

}  // namespace kferry::simulation
