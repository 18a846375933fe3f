// What has become of the SASL authentication of one client connection, by the broker's answers alone. Pure.
//
//   none ─SaslHandshake▶ unfinished ─┬─the mechanism's last answer has error 0──────────▶ accepted ─┐
//                          ▲         ├─error 0, then an answer to a request outside SASL▶ accepted ─┤
//                          │         └─an error, or the broker closes after raw tokens──▶ refused   │
//                          └──────────────────── SaslHandshake (KIP-368, re-authentication) ────────┘
//
// How many answers a mechanism takes is known for PLAIN, SCRAM and AWS_MSK_IAM. OAUTHBEARER may be refused by a token
// with error 0, and Kerberos takes as many tokens as it likes: there the first answer to another request decides, which
// no broker gives to a client that it has not accepted. Answers come in the order of their requests, so that one which
// comes after the last of SASL belongs to a request that was sent after it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kferry::proxy {

class Authentication {
 public:
  // Those that are counted by name, and the place of the others.
  static constexpr std::array<std::string_view, 7> mechanisms = {
      "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI", "AWS_MSK_IAM", "other"};
  enum class Outcome : std::uint8_t { accepted, refused, unfinished, end_ };
  static constexpr auto outcomes = static_cast<std::size_t>(Outcome::end_);
  static constexpr std::array<std::string_view, outcomes> outcome_names = {"accepted", "refused",
                                                                           "unfinished"};

  // SaslHandshake passes. `raw_tokens`: of version 0, whose tokens are not framed.
  void begin(std::string_view mechanism, bool raw_tokens);
  // Each returns true if the outcome is known now and was not before.
  bool on_handshake_answer(std::int16_t error_code);
  bool on_token_answer(std::int16_t error_code);
  bool on_other_answer();  // to a request outside SASL
  bool on_broker_closed();

  bool begun() const { return state_ != State::none; }
  // An outcome is awaited.
  bool pending() const { return state_ == State::begun || state_ == State::exchanging; }
  // Valid once begun.
  Outcome outcome() const;
  // The broker has accepted the client before.
  bool again() const { return again_; }
  std::size_t mechanism() const { return mechanism_; }
  std::int16_t error_code() const { return error_code_; }  // 0: the broker gave none

 private:
  enum class State : std::uint8_t { none, begun, exchanging, accepted, refused };
  bool accept();
  bool refuse(std::int16_t error_code);

  State state_ = State::none;
  std::uint8_t mechanism_ = 0;
  std::uint8_t answers_ = 0;  // with error 0
  bool raw_tokens_ = false;
  bool accepted_once_ = false;
  bool again_ = false;
  std::int16_t error_code_ = 0;
};

}  // namespace kferry::proxy
