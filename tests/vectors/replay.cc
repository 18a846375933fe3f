#include "replay.h"

namespace kferry::vectors {

std::span<const std::byte> Leaving::take(std::size_t size) {
  if (size > chunk_.size() - at_) {
    broken_ = "more bytes taken than were fed";
    size = chunk_.size() - at_;
  }
  at_ += size;
  return chunk_.subspan(at_ - size, size);
}

void Leaving::pass(std::size_t size) {
  if (!held_.empty()) broken_ = "pass() while bytes are held";
  const auto bytes = take(size);
  left_.insert(left_.end(), bytes.begin(), bytes.end());
}

void Leaving::hold(std::size_t size) {
  const auto bytes = take(size);
  held_.insert(held_.end(), bytes.begin(), bytes.end());
}

void Leaving::drop(std::size_t size) {
  take(size);
}

void Leaving::insert(std::span<const std::byte> bytes) {
  Bytes& target = held_.empty() ? left_ : held_;
  target.insert(target.end(), bytes.begin(), bytes.end());
}

void Leaving::overwrite_held(std::size_t offset, std::span<const std::byte> bytes) {
  if (offset > held_.size() || bytes.size() > held_.size() - offset) {
    broken_ = "overwrite_held() beyond what is held";
    return;
  }
  std::copy(bytes.begin(), bytes.end(), held_.begin() + static_cast<std::ptrdiff_t>(offset));
}

void Leaving::cut_held(std::size_t size) {
  if (size > held_.size()) {
    broken_ = "cut_held() beyond what is held";
    size = held_.size();
  }
  held_.resize(held_.size() - size);
}

void Leaving::release() {
  left_.insert(left_.end(), held_.begin(), held_.end());
  held_.clear();
}

std::string MappedView::host(std::int32_t node) {
  switch (node % 50) {
    case 7:
      return std::string(253, 'k');
    case 8:
      return std::string(127, 'k');
    case 9:
      return std::string(126, 'k');
    default:
      return "k.example";
  }
}

bool MappedView::learn(const kafka::BrokerList& list) {
  Lesson& lesson = lessons.emplace_back();
  lesson.source = number(list.source);
  lesson.full = list.full;
  if (list.cluster_id) lesson.cluster_id = std::string(*list.cluster_id);
  for (const auto& broker : list.brokers)
    lesson.brokers.push_back({number(broker.id), std::string(broker.host), broker.port});
  lesson.left_before = output_.left().size();
  return true;
}

std::optional<HostPort> MappedView::advertised(NodeId id) {
  const std::int32_t node = number(id);
  if (!mappable(node)) return std::nullopt;
  return HostPort{host(node), 20'000 + node % 1000};
}

void MappedView::left_out(ApiKey, NodeId id) {
  missing.push_back(number(id));
}

std::string to_string(const Cut& cut) {
  switch (cut.way) {
    case Cut::Way::whole:
      return "whole";
    case Cut::Way::bytes:
      return "byte by byte";
    case Cut::Way::random:
      return "random cuts, seed " + std::to_string(cut.number);
    case Cut::Way::random_moved:
      return "random cuts with opaque runs moved, seed " + std::to_string(cut.number);
    case Cut::Way::random_ahead:
      return "random cuts with what follows records walked ahead, seed " + std::to_string(cut.number);
    case Cut::Way::at:
      return "split at " + std::to_string(cut.number);
  }
  return "";
}

namespace {

class Scissors {
 public:
  explicit Scissors(const Cut& cut) : cut_(cut), state_(cut.number * 2 + 1) {}

  std::size_t next(std::size_t at, std::size_t rest) {
    switch (cut_.way) {
      case Cut::Way::whole:
        return rest;
      case Cut::Way::bytes:
        return std::min<std::size_t>(rest, 1);
      case Cut::Way::at:
        return at < cut_.number ? std::min<std::size_t>(rest, cut_.number - at) : rest;
      case Cut::Way::random:
      case Cut::Way::random_moved:
      case Cut::Way::random_ahead:
        break;
    }
    const std::uint64_t drawn = draw();
    const std::size_t below = (drawn & 3U) == 0 ? 5000 : (drawn & 3U) == 1 ? 300 : 12;
    return std::min<std::size_t>(rest, 1 + draw() % below);
  }

 private:
  std::uint64_t draw() {  // splitmix64
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15U);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
  }
  const Cut cut_;
  std::uint64_t state_;
};

template <typename Walker>
bool feed(Walker& walker, Leaving& output, std::span<const std::byte> input, const Cut& cut, bool& stopped,
          std::string& trouble) {
  Scissors scissors(cut);
  std::size_t at = 0;
  while (at < input.size()) {
    if constexpr (requires { walker.can_walk_ahead(); }) {
      if (cut.way == Cut::Way::random_ahead && walker.can_walk_ahead() &&
          walker.opaque_run() < input.size() - at) {
        const std::size_t behind = at + walker.opaque_run();
        const auto part = input.subspan(behind, scissors.next(behind, input.size() - behind));
        if (const auto walked = walker.walk_ahead(part)) {
          output.move(input.subspan(at, behind + *walked - at));
          at = behind + *walked;
          if (!output.broken().empty()) break;
          continue;
        }
      }
    }
    if (cut.way == Cut::Way::random_moved && walker.opaque_run() > 0) {
      const std::size_t run = std::min<std::size_t>(
          static_cast<std::size_t>(std::min<std::uint64_t>(walker.opaque_run(), input.size())),
          scissors.next(at, input.size() - at));
      output.move(input.subspan(at, run));
      walker.skip(run);
      at += run;
      if (!output.broken().empty()) break;
      continue;
    }
    const auto chunk = input.subspan(at, scissors.next(at, input.size() - at));
    output.begin(chunk);
    const auto walked = walker.feed(chunk);
    if (walked.stop == decltype(walked.stop)::failed) {
      stopped = true;
      trouble = "failed after " + std::to_string(at) + " bytes: " + std::string(walker.failure().cause) +
                ": " + walker.failure().text;
      return false;
    }
    if (walked.stop != decltype(walked.stop)::input) {
      trouble = "stopped after " + std::to_string(at) + " bytes, stop " +
                std::to_string(static_cast<int>(walked.stop));
      return false;
    }
    if (walked.consumed != chunk.size() || output.taken() != chunk.size()) {
      trouble = "consumed " + std::to_string(walked.consumed) + " and told the output " +
                std::to_string(output.taken()) + " of " + std::to_string(chunk.size()) + " bytes";
      return false;
    }
    at += chunk.size();
    if (!output.broken().empty()) break;
  }
  trouble = output.broken();
  return trouble.empty();
}

}  // namespace

bool Connection::feed_requests(std::span<const std::byte> input, const Cut& cut) {
  return feed(requests, to_broker, input, cut, refused, trouble);
}

bool Connection::feed_responses(std::span<const std::byte> input, const Cut& cut) {
  bool stopped = false;
  return feed(responses, to_client, input, cut, stopped, trouble);
}

}  // namespace kferry::vectors
