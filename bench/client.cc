#include "client.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

namespace kferry::bench {
namespace {

std::unique_ptr<tls::Engine> engine_for(const DriveOptions& options, std::uint64_t tag) {
  if (options.tls == nullptr) return nullptr;
  // A port of its own: of each only one session is kept, and each is resumed once.
  return tls::Engine::client(options.tls, "localhost", static_cast<std::uint16_t>(tag + 1));
}

}  // namespace

Exchange exchange_of(const DriveOptions& options) {
  switch (options.workload) {
    case Workload::small:
      return {offset_fetch_request(), offset_fetch_response()};
    case Workload::fetch:
      return {fetch_request(options.version, options.size, options.partitions),
              fetch_response(options.version, options.size, options.partitions)};
    case Workload::produce:
      return {produce_request(options.version, options.size), produce_response(options.version)};
    case Workload::idle:
    case Workload::churn:
      return {api_versions_request(4), api_versions_response(4)};
  }
  fail("no such workload");
}

Client::Client(const DriveOptions& options, const Exchange& exchange, std::uint64_t tag)
    : exchange_(&exchange),
      depth_(options.depth),
      tag_(tag),
      channel_(connect_to(parse_address(options.server)), engine_for(options, tag)),
      request_head_(exchange.request.begin(), exchange.request.begin() + request_head_size),
      response_head_(exchange.response.begin(), exchange.response.begin() + response_head_size),
      asked_at_(depth_) {}

bool Client::ask(Poller& poller, Pace& pace) {
  bool blocked = false;
  bool paced = false;
  while (!blocked && (sending_ || unanswered() < depth_)) {
    if (!sending_) {
      const auto now = Clock::now();
      paced = !pace.open(now);
      if (paced) break;
      pace.take(now);
      sending_ = true;
      asked_at_[asked_ % depth_] = now;
      set_correlation_id(request_head_, request_correlation_offset, static_cast<std::int32_t>(asked_));
      ++asked_;
    }
    blocked = !send_rest();
  }
  watch_output(poller, blocked);
  return !paced;
}

void Client::finish(Poller& poller) {
  watch_output(poller, sending_ && !send_rest());
}

bool Client::send_rest() {
  const std::size_t in_head = std::min(sent_, request_head_size);
  const std::size_t in_rest = std::max(sent_, request_head_size);
  iovec pieces[] = {
      {request_head_.data() + in_head, request_head_size - in_head},
      {const_cast<std::byte*>(exchange_->request.data()) + in_rest, exchange_->request.size() - in_rest}};
  sent_ += channel_.send(pieces);
  if (sent_ < exchange_->request.size()) return false;
  sent_ = 0;
  sending_ = false;
  return true;
}

void Client::watch_output(Poller& poller, bool blocked) {
  // A handshake goes on with what comes, not with room.
  const bool wanted = !channel_.flush() || (blocked && !channel_.handshaking());
  if (std::exchange(output_watched_, wanted) != wanted) poller.watch_output(fd(), tag_, wanted);
}

std::size_t Client::take(std::span<const std::byte> chunk, std::vector<std::uint32_t>* times) {
  std::size_t completed = 0;
  while (!chunk.empty()) {
    if (unanswered() == 0) fail("a byte arrived that was not asked for");
    if (position_ == 0)
      set_correlation_id(response_head_, response_correlation_offset, static_cast<std::int32_t>(answered_));
    const Frame& expected = position_ < response_head_size ? response_head_ : exchange_->response;
    const auto part = chunk.first(std::min(chunk.size(), expected.size() - position_));
    if (std::memcmp(part.data(), expected.data() + position_, part.size()) != 0)
      fail("a response arrived changed, after byte " + std::to_string(position_));
    position_ += part.size();
    chunk = chunk.subspan(part.size());
    if (position_ < exchange_->response.size()) continue;
    position_ = 0;
    const auto took = Clock::now() - asked_at_[answered_ % asked_at_.size()];
    if (times != nullptr)
      times->push_back(static_cast<std::uint32_t>(std::min<std::int64_t>(took.count(), UINT32_MAX)));
    ++answered_;
    ++completed;
  }
  return completed;
}

}  // namespace kferry::bench
