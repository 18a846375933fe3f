// A session's splices: the large opaque run of a frame goes from socket to socket inside the kernel.
#include <algorithm>
#include <array>
#include <cerrno>
#include <span>

#include "base/limits.h"
#include "proxy/session.h"
#include "proxy/worker.h"

namespace kferry::proxy {
namespace {

// Receives after a splice that ask for no more than the next run's beginning: two, for the frame's rest often comes
// before the next frame.
constexpr std::uint8_t beginnings_after_splice = 2;
// What one splice is asked for, so that a completion's int32 holds it.
constexpr std::uint64_t splice_size_max = 1024 * MiB;
// What is looked at between two partitions' records: in Fetch some 60 octets, more where transactions were aborted.
constexpr std::size_t peeked_size = 256;
// The end of a longer run is not in the socket yet, most likely.
constexpr std::uint64_t run_to_peek_max = 256 * KiB;
constexpr std::uint64_t ahead_max = 1 * MiB;

}  // namespace

std::uint64_t Session::opaque_run(const Leg& from) const {
  return &from == &client_ ? request_walker_.opaque_run() : ahead_ + response_walker_.opaque_run();
}

// The structure between the records of two partitions need not be received to be walked: where it is in the socket
// already, records, structure and records are one run. No receive may be outstanding, and everything received walked.
void Session::look_ahead() {
  const std::uint64_t run_min = engine_options().look_ahead_bytes;
  if (run_min == 0 || engine_options().splice_threshold_bytes == 0 || !worker_.can_peek()) return;
  if (state_ != State::open || broker_.receiving || broker_.splicing || broker_.ended) return;
  if (broker_.tls != nullptr || !client_.sends_plain() || broker_.splice_refused ||
      responses_.input_size() > 0)
    return;
  std::array<std::byte, peeked_size> octets;
  while (response_walker_.can_walk_ahead()) {
    const std::uint64_t run = response_walker_.opaque_run();
    if (run < run_min || run > run_to_peek_max || ahead_ + run > ahead_max) return;
    const int size = worker_.ring().peek(broker_.socket, ahead_ + run, octets);
    if (size == -EOPNOTSUPP) worker_.note_no_peeking();
    if (size <= 0) return;
    const auto walked = response_walker_.walk_ahead(std::span(octets).first(static_cast<std::size_t>(size)));
    if (!walked) return;
    ahead_ += run + *walked;
  }
}

bool Session::splice_wanted(const Leg& from) const {
  if (state_ != State::open || from.ended || from.splice_refused) return false;
  if (!from.receives_plain() || !other(from).sends_plain()) return false;
  const std::uint64_t run = opaque_run(from);
  const std::uint64_t threshold = engine_options().splice_threshold_bytes;
  return threshold > 0 && run >= threshold;
}

// True while the next octets from `from` are the kernel's to move: one is under way, or waits until what came
// before has been sent.
bool Session::splice(Leg& from, Leg& to, const net::Rope& rope, Operation operation) {
  if (from.splicing) return true;
  if (!splice_wanted(from)) return false;
  end_standing(from);
  if (from.receiving) return false;
  from.beginnings = beginnings_after_splice;
  if (to.sending || !rope.empty()) return true;
  from.splicing = true;
  ++outstanding_;
  worker_.ring().splice(token(operation), from.socket, to.socket,
                        std::min(opaque_run(from), splice_size_max));
  return true;
}

// What a pipe held is lost with an error: the stream is cut on both sides.
void Session::on_spliced(Leg& from, const ring::Completion& completion) {
  from.splicing = false;
  if (state_ == State::closing) return;
  Leg& to = other(from);
  const bool record = completion.result == -EINVAL && from.tls != nullptr;  // the receive tells what it is
  if (completion.result == -ENOBUFS || record) {
    from.splice_refused = true;
  } else if (completion.result < 0) {
    const bool by_broker = (&from == &broker_) == (completion.result != -EPIPE);
    if (!by_broker) report_silence();
    return on_broken(by_broker, -completion.result);
  }
  if (&from == &broker_) heard_at_ = worker_.now();
  if (completion.result == 0) {
    if (from.tls != nullptr) return on_truncation(from);
    from.ended = true;
    if (&from == &client_) report_silence();
  } else if (completion.result > 0) {
    const auto size = static_cast<std::uint64_t>(completion.result);
    if (to.tls != nullptr) note_kernel_sent(to, size);
    if (&from == &client_) {
      request_walker_.skip(size);
    } else {
      const std::uint64_t walked = std::min(ahead_, size);
      ahead_ -= walked;
      if (size > walked) response_walker_.skip(size - walked);
    }
  }
  pump();
}

}  // namespace kferry::proxy
