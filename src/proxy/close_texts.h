// What the log says about the end of a session: the texts, without the place and the client, which the session adds.
// Each says what happened and what an operator can do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/host_port.h"
#include "base/ids.h"
#include "kafka/conversation.h"
#include "proxy/side_watch.h"

namespace kferry::proxy {

// Of texts about a conversation: it has an unanswered request.

// broker_cut: the broker's side broke. `how`: by what.
std::string broker_cut_text(const HostPort& broker, std::string_view how,
                            const kafka::Conversation& conversation);
// broker_silent: the client left a broker that has said nothing for so long.
std::string broker_silent_text(const HostPort& broker, Duration silence,
                               const kafka::Conversation& conversation);
// retirement_cut
std::string retirement_cut_text(const HostPort& broker, const kafka::Conversation& conversation);
// client_stalled: `verdict` is unread or stalled.
std::string client_stalled_text(const HostPort& broker, SideWatch::Verdict verdict);
// response_cut_short
std::string response_cut_text(const HostPort& broker);
// tls_key_update: `who` changes its keys, a broker or, nullptr, the client.
std::string key_update_text(const HostPort* broker);
// tls_key_used_up
std::string key_used_up_text();
// tls_handshake_timeout: `state` is the engine's.
std::string handshake_timeout_text(std::uint32_t timeout_ms, std::string_view state);

// stand_in_refused: the client names a broker, and another one, or a bootstrap server, answers here.
std::string other_broker_text(NodeId asked, std::optional<NodeId> here, std::string_view place);
// stand_in_refused: the request must not go to a stand-in. `own`: the place's broker, if it is known.
struct StandInRefusal {
  std::optional<NodeId> own;
  bool late = false;        // it has become known since another broker was dialled
  bool any_broker = false;  // the client came by the bootstrap name
  ApiKey key{};
};
std::string stand_in_text(const StandInRefusal& refusal, const std::string& place);

}  // namespace kferry::proxy
