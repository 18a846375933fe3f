// A session's splices: the large opaque run of a frame goes from socket to socket inside the kernel.
#include <algorithm>
#include <cerrno>

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

}  // namespace

std::uint64_t Session::opaque_run(const Leg& from) const {
  return &from == &client_ ? request_walker_.opaque_run() : response_walker_.opaque_run();
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
      response_walker_.skip(size);
    }
  }
  pump();
}

}  // namespace kferry::proxy
