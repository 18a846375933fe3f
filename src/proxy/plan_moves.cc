#include "proxy/plan_moves.h"

#include <utility>

#include "base/assert.h"

namespace kferry::proxy {
namespace {

std::unexpected<std::string> stopping() {
  return std::unexpected(std::string("kferry is stopping, and takes no other configuration"));
}

}  // namespace

PlanMoves::PlanMoves(std::shared_ptr<const LivePlan> first, std::function<void()> wake)
    : wake_(std::move(wake)), current_(std::move(first)) {}

std::shared_ptr<const LivePlan> PlanMoves::current() const {
  const std::scoped_lock lock(mutex_);
  return current_;
}

void PlanMoves::tell() {
  news_.fetch_add(1, std::memory_order_release);
  wake_();
}

std::future<PlanMoves::Outcome> PlanMoves::propose(Proposal proposal) {
  const std::scoped_lock lock(mutex_);
  Waiting next{std::move(proposal), {}};
  std::future<Outcome> outcome = next.outcome.get_future();
  if (stopped_) {
    next.outcome.set_value(stopping());
    return outcome;
  }
  if (waiting_)
    waiting_->outcome.set_value(std::unexpected(std::string("a later configuration has taken its place")));
  waiting_ = std::move(next);
  if (!moving_) tell();
  return outcome;
}

bool PlanMoves::withdraw(std::string why) {
  const std::scoped_lock lock(mutex_);
  if (!waiting_) return false;
  waiting_->outcome.set_value(std::unexpected(std::move(why)));
  waiting_.reset();
  return true;
}

std::optional<PlanMoves::Proposal> PlanMoves::begin() {
  const std::scoped_lock lock(mutex_);
  if (moving_ || !waiting_) return std::nullopt;
  moving_ = std::move(waiting_->outcome);
  Proposal proposal = std::move(waiting_->proposal);
  waiting_.reset();
  return proposal;
}

// Under the lock.
void PlanMoves::end_move(Outcome outcome) {
  moving_->set_value(std::move(outcome));
  moving_.reset();
  to_move_ = 0;
  if (waiting_) tell();
}

void PlanMoves::refuse(std::string why) {
  const std::scoped_lock lock(mutex_);
  KFERRY_ASSERT(moving_ && to_move_ == 0);
  end_move(std::unexpected(std::move(why)));
}

void PlanMoves::publish(std::shared_ptr<const LivePlan> live, std::size_t workers) {
  KFERRY_ASSERT(workers > 0);
  std::shared_ptr<const LivePlan> former;  // freed without the lock
  const std::scoped_lock lock(mutex_);
  KFERRY_ASSERT(moving_ && to_move_ == 0);
  former = std::exchange(current_, std::move(live));
  to_move_ = workers;
  tell();
}

void PlanMoves::note_moved() {
  const std::scoped_lock lock(mutex_);
  if (!moving_) return;  // kferry is stopping
  KFERRY_ASSERT(to_move_ > 0);
  if (--to_move_ == 0) end_move({});
}

void PlanMoves::stop() {
  const std::scoped_lock lock(mutex_);
  stopped_ = true;
  if (waiting_) waiting_->outcome.set_value(stopping());
  waiting_.reset();
  if (moving_) end_move(stopping());
}

}  // namespace kferry::proxy
