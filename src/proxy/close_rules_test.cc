#include "proxy/close_rules.h"

#include <doctest/doctest.h>

namespace kferry::proxy {
namespace {

using Step = CloseStep;

// Everything that came has been delivered, and the broker has answered it.
CloseState settled() {
  CloseState state;
  state.client.gone = state.broker.gone = true;
  state.owes_nothing = true;
  return state;
}

TEST_CASE("close rules: nothing ends, nothing happens") {
  CHECK(next_close_step(settled()) == Step::none);
}

TEST_CASE("close rules: a client with everything answered leaves no TIME_WAIT behind") {
  CloseState state = settled();
  state.client.ended = true;
  CHECK(next_close_step(state) == Step::shut_client_reset);
}

TEST_CASE("close rules: a client's half-close is passed on once its requests are delivered") {
  CloseState state = settled();
  state.client.ended = true;
  state.owes_nothing = false;
  state.client.gone = false;
  CHECK(next_close_step(state) == Step::none);
  state.client.gone = true;
  CHECK(next_close_step(state) == Step::shut_broker);
  state.broker.shut = true;
  CHECK(next_close_step(state) == Step::none);  // answers may still come
  state.broker.ended = true;
  CHECK(next_close_step(state) == Step::shut_client);
  state.client.shut = true;
  CHECK(next_close_step(state) == Step::close);
}

TEST_CASE("close rules: a broker's end is passed on behind its answers") {
  CloseState state = settled();
  state.broker.ended = true;
  state.broker.gone = false;
  CHECK(next_close_step(state) == Step::none);
  state.broker.gone = true;
  CHECK(next_close_step(state) == Step::shut_client);
  state.client.shut = true;
  CHECK(next_close_step(state) == Step::none);  // until the client ends, too
}

TEST_CASE("close rules: a cut stream never looks complete") {
  CloseState state = settled();
  state.broker.ended = true;
  state.broker.at_boundary = false;
  CHECK(next_close_step(state) == Step::response_cut);
  state = settled();
  state.client.ended = true;
  state.owes_nothing = false;
  state.client.at_boundary = false;
  CHECK(next_close_step(state) ==
        Step::shut_broker);  // a frame's beginning has left: the broker sees the cut
  state.header_held = true;
  CHECK(next_close_step(state) == Step::header_cut);
}

TEST_CASE("close rules: a client that ends before its first whole header never reaches a broker") {
  using Header = CloseState::FirstHeader;
  CloseState state = settled();
  state.upstream = Upstream::none;
  state.client.ended = true;
  for (const Header header : {Header::nothing, Header::whole}) {
    state.first_header = header;
    CHECK(next_close_step(state) == Step::close);
  }
  state.first_header = Header::begun;
  CHECK(next_close_step(state) == Step::first_header_cut);
  state.broker.gone = false;  // an answer of kferry's own is still being sent
  CHECK(next_close_step(state) == Step::none);
}

using How = connection::Leg::Break::How;
using Report = BreakStep::Report;
using tls::Remote;

void check(const BreakStep& step, Report report, bool broke, bool reset_client, bool reset_broker) {
  CHECK(step.report == report);
  CHECK(step.broker_broke == broke);
  CHECK(step.reset_client == reset_client);
  CHECK(step.reset_broker == reset_broker);
}

TEST_CASE("close rules: a reset on one side is a reset on the other") {
  for (const How how : {How::receiving, How::sending, How::splicing_from, How::splicing_to, How::truncated}) {
    check(break_step(Remote::broker, how, settled()), Report::cut, true, true, true);
    check(break_step(Remote::client, how, settled()), Report::silence, false, true, true);
  }
}

TEST_CASE(
    "close rules: a client that is reset after its end leaves a broker that owes nothing no TIME_WAIT") {
  CloseState state = settled();
  state.client.ended = true;
  for (const How how : {How::receiving, How::sending}) {
    check(break_step(Remote::client, how, state), Report::silence, false, true, true);
    state.owes_nothing = false;
    check(break_step(Remote::client, how, state), Report::silence, false, true, false);
    state.owes_nothing = true;
  }
}

TEST_CASE("close rules: a broker that takes no more after its end breaks nothing once the client knows") {
  CloseState state = settled();
  state.broker.ended = true;
  check(break_step(Remote::broker, How::sending, state), Report::cut, true, true, true);
  state.client.shut = true;
  check(break_step(Remote::broker, How::sending, state), Report::none, false, false, false);
  check(break_step(Remote::broker, How::receiving, state), Report::cut, false, false, true);
}

}  // namespace
}  // namespace kferry::proxy
