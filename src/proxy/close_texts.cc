#include "proxy/close_texts.h"

#include "base/counted.h"
#include "kafka/api_keys.h"

namespace kferry::proxy {
namespace {

std::string seconds_text(Duration time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
}

// What the client still waits for.
std::string unanswered_text(const kafka::Conversation& conversation) {
  const kafka::Unanswered& first = conversation.front();
  return counted(conversation.size(), "request") + " unanswered, the first " +
         std::string(kafka::api_name(first.key)) + " v" + std::to_string(first.version);
}

}  // namespace

std::string broker_cut_text(const HostPort& broker, std::string_view how,
                            const kafka::Conversation& conversation) {
  return "the connection to broker " + to_string(broker) + " broke (" + std::string(how) + ") with " +
         unanswered_text(conversation) +
         ": the client is reset; see the broker's log and the network between";
}

std::string broker_silent_text(const HostPort& broker, Duration silence,
                               const kafka::Conversation& conversation) {
  return "the client left after broker " + to_string(broker) + " had said nothing for " +
         seconds_text(silence) + ", with " + unanswered_text(conversation) +
         ": the broker hangs, or the network between loses packets";
}

std::string retirement_cut_text(const HostPort& broker, const kafka::Conversation& conversation) {
  return "the connection to broker " + to_string(broker) +
         " is retired, since kferry drains, its port leads to another broker now or its TLS key is "
         "exhausted, "
         "with " +
         unanswered_text(conversation) + ": the client is reset, and reconnects";
}

std::string client_stalled_text(const HostPort& broker, SideWatch::Verdict verdict) {
  const bool unread = verdict == SideWatch::Verdict::unread;
  return "broker " + to_string(broker) +
         (unread ? " has answered, and its client took none of it for "
                 : " has ended the connection, and its client took none of what came before for ") +
         seconds_text(unread ? SideWatch::unread_timeout : SideWatch::stall_after_end) +
         ": the client is reset";
}

std::string response_cut_text(const HostPort& broker) {
  return "broker " + to_string(broker) +
         " closed inside a response: the client is reset, so that it cannot take the response for complete";
}

std::string key_update_text(const HostPort* broker) {
  return (broker != nullptr ? "broker " + to_string(*broker) : "the client") +
         " changes its TLS keys, which the kernel cannot follow: the connection ends in order; "
         "tls.kernel_send = off and tls.kernel_receive = off keep such connections";
}

std::string key_used_up_text() {
  return "the TLS key of this connection is exhausted and cannot be renewed: the connection ends in order, "
         "and its client reconnects";
}

std::string handshake_timeout_text(std::uint32_t timeout_ms, std::string_view state) {
  return "the TLS handshake was not complete in " + std::to_string(timeout_ms / 1000) +
         " s: " + std::string(state);
}

std::string other_broker_text(NodeId asked, std::optional<NodeId> here, std::string_view place) {
  return "the client asks for broker " + std::to_string(number(asked)) + " on " + std::string(place) +
         ", where " + (here ? "broker " + std::to_string(number(*here)) : "a bootstrap server") +
         " answers now: closed, as a dead broker would";
}

std::string stand_in_text(const StandInRefusal& refusal, const std::string& place) {
  std::string text;
  if (refusal.own) {
    text = "broker " + std::to_string(number(*refusal.own)) + " of " + place +
           (refusal.late ? " has become known since another broker was dialled" : " cannot be reached");
  } else if (refusal.any_broker) {
    text = "which broker answers for " + place + " is not known yet";
  } else {
    text = "no broker is known for " + place;
  }
  return text + ": a stand-in serves bootstrap only, so the client's " +
         std::string(kafka::api_name(refusal.key)) +
         " is refused and its connection closed, as if this broker were down";
}

}  // namespace kferry::proxy
