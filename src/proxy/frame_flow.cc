#include "proxy/frame_flow.h"

#include "base/assert.h"
#include "connection/leg.h"

namespace kferry::proxy {

FrameFlow::Walk FrameFlow::walk_requests(std::size_t own_answers_max) {
  using Stop = kafka::RequestWalker::Stop;
  if (responses_.ready_size() > own_answers_max) return Walk::unread;
  if (walk_ == Walk::full && conversation_.size() > conversation_.policy().unanswered_max / 2)
    return Walk::full;
  for (;;) {
    const std::span<const std::byte> chunk = requests_.pin_input();
    if (chunk.empty() && walk_ != Walk::judge_waits) break;
    walk_ = Walk::input;
    const auto walked = request_walker_.feed(chunk);
    requests_.unpin();
    if (walked.stop == Stop::refused || walked.stop == Stop::failed) {
      response_walker_.answer_own();  // of requests before this one
      return walked.stop == Stop::refused ? Walk::refused : Walk::failed;
    }
    if (walked.stop == Stop::judge) walk_ = Walk::judge_waits;
    if (walked.stop == Stop::full) walk_ = Walk::full;
    if (walked.stop != Stop::input) break;
    KFERRY_ASSERT(walked.consumed == chunk.size());
  }
  response_walker_.answer_own();
  requests_.spare_buffers(connection::Leg::leased_max);
  return walk_;
}

FrameFlow::Walk FrameFlow::walk_responses() {
  for (;;) {
    const std::span<const std::byte> chunk = responses_.pin_input();
    if (chunk.empty()) break;
    if (ahead_.walked() > 0) {
      responses_.pass(ahead_.take(chunk.size()));
      responses_.unpin();
      continue;
    }
    const auto walked = response_walker_.feed(chunk);
    responses_.unpin();
    if (walked.stop == kafka::ResponseWalker::Stop::failed) return Walk::failed;
    KFERRY_ASSERT(walked.consumed == chunk.size());
  }
  responses_.spare_buffers(connection::Leg::leased_max);
  return Walk::input;
}

void FrameFlow::skip(tls::Remote from, std::uint64_t size) {
  if (from == tls::Remote::client) return request_walker_.skip(size);
  const std::uint64_t walked = ahead_.take(size);
  if (size > walked) response_walker_.skip(size - walked);
}

bool FrameFlow::frame_continues(tls::Remote from) const {
  return from == tls::Remote::client ? requests_.ready_size() <= request_walker_.passed()
                                     : responses_.ready_size() <= response_walker_.passed() - ahead_.walked();
}

}  // namespace kferry::proxy
