#include "proxy/authentication.h"

#include <doctest/doctest.h>

namespace kferry::proxy {
namespace {

using Outcome = Authentication::Outcome;

Authentication begun(std::string_view mechanism, bool raw = false) {
  Authentication authentication;
  authentication.begin(mechanism, raw);
  CHECK_FALSE(authentication.on_handshake_answer(0));
  CHECK(authentication.outcome() == Outcome::unfinished);
  return authentication;
}

TEST_CASE("PLAIN and AWS_MSK_IAM are decided by one answer, SCRAM by the second") {
  for (const bool raw : {false, true}) {
    for (const char* one : {"PLAIN", "AWS_MSK_IAM"}) {
      Authentication plain = begun(one, raw);
      CHECK(plain.on_token_answer(0));
      CHECK(plain.outcome() == Outcome::accepted);
    }
    Authentication scram = begun("SCRAM-SHA-512", raw);
    CHECK_FALSE(scram.on_token_answer(0));
    CHECK(scram.outcome() == Outcome::unfinished);
    CHECK(scram.on_token_answer(0));
    CHECK(scram.outcome() == Outcome::accepted);
  }
}

TEST_CASE("where answers with error 0 decide nothing, an answer to another request does") {
  for (const char* mechanism : {"OAUTHBEARER", "GSSAPI", "X-NEW"}) {
    Authentication authentication = begun(mechanism);
    CHECK_FALSE(authentication.on_other_answer());  // of a request that was sent before
    CHECK_FALSE(authentication.on_token_answer(0));
    CHECK(authentication.outcome() == Outcome::unfinished);
    CHECK(authentication.on_other_answer());
    CHECK(authentication.outcome() == Outcome::accepted);
    CHECK_FALSE(authentication.on_other_answer());
  }
  // OAUTHBEARER's error is a token with error 0; the code follows.
  Authentication refused = begun("OAUTHBEARER");
  CHECK_FALSE(refused.on_token_answer(0));
  CHECK(refused.on_token_answer(58));
  CHECK(refused.outcome() == Outcome::refused);
  CHECK(refused.error_code() == 58);
}

TEST_CASE("an error of either request refuses the client") {
  Authentication mechanism;
  mechanism.begin("PLAIN", false);
  CHECK(mechanism.on_handshake_answer(33));
  CHECK(mechanism.outcome() == Outcome::refused);
  Authentication password = begun("PLAIN");
  CHECK(password.on_token_answer(58));
  CHECK(password.error_code() == 58);
  CHECK_FALSE(password.on_other_answer());
  CHECK(password.outcome() == Outcome::refused);
}

TEST_CASE("after raw tokens the broker refuses by closing, and otherwise it does not") {
  Authentication raw = begun("SCRAM-SHA-256", true);
  CHECK_FALSE(raw.on_token_answer(0));
  CHECK(raw.on_broker_closed());
  CHECK(raw.outcome() == Outcome::refused);
  Authentication framed = begun("SCRAM-SHA-256");
  CHECK_FALSE(framed.on_broker_closed());
  CHECK(framed.outcome() == Outcome::unfinished);
  Authentication accepted = begun("PLAIN", true);
  CHECK(accepted.on_token_answer(0));
  CHECK_FALSE(accepted.on_broker_closed());
}

TEST_CASE("a client that is accepted may authenticate again") {
  Authentication authentication = begun("PLAIN");
  CHECK(authentication.on_token_answer(0));
  CHECK_FALSE(authentication.again());
  authentication.begin("PLAIN", false);
  CHECK(authentication.again());
  CHECK(authentication.pending());
  CHECK_FALSE(authentication.on_handshake_answer(0));
  CHECK_FALSE(authentication.on_other_answer());  // of a request that was under way
  CHECK(authentication.on_token_answer(58));
  CHECK(authentication.outcome() == Outcome::refused);
}

TEST_CASE("mechanisms without a name of their own count together") {
  CHECK(Authentication::mechanisms[begun("SCRAM-SHA-256").mechanism()] == "SCRAM-SHA-256");
  CHECK(Authentication::mechanisms[begun("whatever\n").mechanism()] == "other");
  CHECK(Authentication::mechanisms[begun("").mechanism()] == "other");
}

}  // namespace
}  // namespace kferry::proxy
