// The close table: what the end of one side of a session means for the other.
//
//   who ends, and how                            what the other side sees
//   client half-closes                           its requests are delivered as far as they came, then the broker
//                                                is half-closed; answers continue while they come (silence_after_end)
//     the same, with everything answered         the broker is reset, so that no TIME_WAIT stays here; after a
//                                                Produce with acks=0 or a raw token it is half-closed
//     the same, while a broker is dialled        the dial ends soon (dial_after_end)
//   client resets after that                     both are closed at once
//   client half-closes before a whole header     closed; nothing goes upstream
//   broker closes at a frame's boundary          the answers, then the client is half-closed; a client that
//                                                takes nothing (stall_after_end) is reset
//   broker closes inside a frame                 the client is reset: a cut stream never looks complete
//   a TLS stream ends without close_notify       like a reset: the last bytes may be missing
//     the same, at a frame's boundary, after     an orderly end: many peers answer a close_notify with FIN only,
//     we have sent close_notify                  and a cut frame would be noticed
//   TLS with the client fails                    an alert where one is due, then the client is closed
//   TLS with a broker fails while dialling       the next address, then the next candidate
//   either side is reset                         the other is reset, what is queued is dropped
//   a walker or the judge refuses                whole answers already queued, then the client is closed; if an
//                                                answer is cut, it is reset
//   no broker can be dialled                     the client is closed
//   retired (stand-in replaced, port lost)       once no JoinGroup or SyncGroup is unanswered (Retirement),
//                                                reading stops at a frame's boundary, answers are awaited
//                                                (drain_deadline_s), both are half-closed, and what the client
//                                                still sends is dropped (proxy/lingering.h)
//   drained                                      the same, once what was on its way has been read
//   client leaves responses unread               it is reset (unread_timeout), unless a Fetch is unanswered
//   a peer vanishes while it owes an ACK         like a reset, after as long as keep-alive would take
//   Limits of time that no completion reports are kept by looks, once a second (proxy/side_watch.h).
//
// Here are the rules for orderly ends, as one pure step that a session takes after every completion, and again after
// each step that it has carried out; and those for breaks.
#pragma once

#include <cstdint>

#include "connection/leg.h"
#include "proxy/frame_flow.h"

namespace kferry::proxy {

// How far a session's broker is.
enum class Upstream : std::uint8_t { none, dialling, open };

// One side of a session, and the bytes on their way to the other.
struct CloseSide {
  bool ended = false;  // its end has been received
  bool shut = false;   // nothing more is sent to it
  bool gone = false;   // every byte that came from here has been sent to the other side
  // The bytes from here end behind a whole frame.
  bool at_boundary = true;
};

struct CloseState {
  // How far the first request header has come.
  enum class FirstHeader : std::uint8_t { nothing, begun, whole };
  Upstream upstream = Upstream::open;
  FirstHeader first_header = FirstHeader::whole;
  CloseSide client;
  CloseSide broker;
  bool header_held = false;  // the client's last bytes are a part of a request header
  // Every byte that went to the broker belongs to a request that it has answered: nothing is lost by a reset, which
  // spares this host a socket in TIME_WAIT for each connection. Otherwise only an orderly end makes sure that the
  // broker reads what was sent.
  bool owes_nothing = false;
};
CloseState state_of(const FrameFlow& frames, const connection::Leg& client, const connection::Leg& broker,
                    Upstream upstream);

enum class CloseStep : std::uint8_t {
  none,
  close,              // both, in order
  shut_client_reset,  // the client is shut, then both are closed, the broker by reset
  shut_broker,        // then again
  shut_client,        // then again
  first_header_cut,   // ends with this reason, as do the next two
  header_cut,
  response_cut,
};

CloseStep next_close_step(const CloseState& state);

// Breaks: both sides are closed at once.
struct BreakStep {
  enum class Report : std::uint8_t {
    none,
    cut,      // the broker's side broke; worth a line if an answer is awaited
    silence,  // the client's side did, perhaps because its broker says nothing
  };
  Report report = Report::none;
  bool broker_broke = false;  // evidence about the broker
  bool reset_client = true;
  bool reset_broker = true;
};
// `how` is one that concerns the stream: not `tls`, not `keys_lost`.
BreakStep break_step(tls::Remote side, connection::Leg::Break::How how, const CloseState& state);

}  // namespace kferry::proxy
