#include "proxy/close_rules.h"

#include "base/assert.h"

namespace kferry::proxy {

CloseState state_of(const FrameFlow& frames, const connection::Leg& client, const connection::Leg& broker,
                    Upstream upstream) {
  using Header = CloseState::FirstHeader;
  const auto gone = [](const WalkedRope& rope, const connection::Leg& to) {
    return rope.input_size() == 0 && rope.ready_size() == 0 && !to.sending();
  };
  CloseState state;
  state.upstream = upstream;
  state.first_header = frames.started()             ? Header::whole
                       : frames.received_anything() ? Header::begun
                                                    : Header::nothing;
  // A request that has been read and may not be forwarded yet is held whole: no byte of it is ready or missing.
  const bool requests_gone = gone(frames.requests(), broker) && !frames.request_waits();
  state.client = {client.ended(), client.shut(), requests_gone, frames.at_boundary(tls::Remote::client)};
  state.broker = {broker.ended(), broker.shut(), gone(frames.responses(), client),
                  frames.at_boundary(tls::Remote::broker)};
  state.header_held = frames.requests().held_size() > 0;
  state.owes_nothing = upstream == Upstream::open && frames.all_answered() && !broker.sending();
  return state;
}

CloseStep next_close_step(const CloseState& state) {
  const CloseSide& client = state.client;
  const CloseSide& broker = state.broker;
  if (client.ended && state.upstream == Upstream::none) {
    if (!broker.gone) return CloseStep::none;  // answers of kferry's own
    return state.first_header == CloseState::FirstHeader::begun ? CloseStep::first_header_cut
                                                                : CloseStep::close;
  }
  if (client.ended && broker.gone && state.owes_nothing) return CloseStep::shut_client_reset;
  if (client.ended && !broker.shut && client.gone)
    return !client.at_boundary && state.header_held ? CloseStep::header_cut : CloseStep::shut_broker;
  if (broker.ended && !client.shut && broker.gone)
    return broker.at_boundary ? CloseStep::shut_client : CloseStep::response_cut;
  return client.shut && client.ended ? CloseStep::close : CloseStep::none;
}

BreakStep break_step(tls::Remote side, connection::Leg::Break::How how, const CloseState& state) {
  using How = connection::Leg::Break::How;
  using Report = BreakStep::Report;
  KFERRY_ASSERT(how != How::tls && how != How::keys_lost);
  const bool by_broker = side == tls::Remote::broker;
  const bool after_end = by_broker ? state.broker.ended : state.client.ended;
  BreakStep step{.report = by_broker ? Report::cut : Report::silence, .broker_broke = by_broker};
  if (how == How::truncated) return step;
  if (how == How::receiving) {
    // An error after the end is how a peer that is gone for good answers.
    if (!after_end) return step;
    step.broker_broke = false;
    step.reset_client = !by_broker;
    step.reset_broker = by_broker || state.owes_nothing;
  } else if (!by_broker && after_end) {
    step.reset_broker = state.owes_nothing;
  } else if (by_broker && after_end && state.client.shut) {
    // A broker that has closed in order takes no more requests; its client has been told of the end already.
    step = {.reset_client = false, .reset_broker = false};
  }
  return step;
}

}  // namespace kferry::proxy
