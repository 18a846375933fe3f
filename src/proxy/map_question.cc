#include "proxy/map_question.h"

#include <utility>

#include "kafka/api_keys.h"
#include "kafka/client_codec.h"

namespace kferry::proxy {
namespace {

// Matched by position, like every answer; a number to recognise in a packet capture.
constexpr CorrelationId question_id{0x6B66'6572};

}  // namespace

bool MapQuestion::begin() {
  if (state_ != State::none) return false;
  state_ = State::waiting;
  return true;
}

std::vector<std::byte> MapQuestion::ask(kafka::Conversation& conversation, std::string_view client_id,
                                        ClusterState& cluster) {
  if (state_ != State::waiting || !conversation.may_ask()) return {};
  if (cluster.asking_for_map.exchange(true)) return {};  // another session's answer will do
  state_ = State::asked;
  const ApiVersion version = conversation.metadata_version;
  conversation.push({.key = kafka::metadata_key,
                     .version = version,
                     .correlation_id = question_id,
                     .asked_by_kferry = true});
  return kafka::encode_metadata(question_id, client_id, version);
}

void MapQuestion::end(ClusterState& cluster) {
  if (std::exchange(state_, State::over) != State::asked) return;
  cluster.asking_for_map = false;
  cluster.topology.wake();  // other sessions may be waiting for their turn
}

}  // namespace kferry::proxy
