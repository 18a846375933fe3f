#include "proxy/sasl_client.h"

#include <doctest/doctest.h>

namespace kferry::proxy {
namespace {

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

SaslClient client(const std::string& mechanism, const std::string& username, const std::string& password,
                  const std::string& nonce = "nonce") {
  auto made = SaslClient::make({mechanism, username, password}, [nonce] { return nonce; });
  REQUIRE(made.has_value());
  return std::move(*made);
}

// What follows the server's first message, once the key has been derived.
SaslClient::Step prove(SaslClient& sasl, std::string_view server_first) {
  const SaslClient::Step step = sasl.on_challenge(bytes_of(server_first));
  REQUIRE(step.outcome == SaslClient::Outcome::derive);
  REQUIRE(step.order.has_value());
  return sasl.on_derived(derive_key(*step.order));
}

// RFC 7677, section 3.
constexpr std::string_view rfc_server_first =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr std::string_view rfc_server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

SaslClient rfc_client() {
  return client("SCRAM-SHA-256", "user", "pencil", "rOprNGfwEbeRWgbNEkqO");
}

TEST_CASE("PLAIN sends name and password and is done at an empty answer") {
  SaslClient sasl = client("PLAIN", "alice", "pa,s=s");
  CHECK(sasl.mechanism() == "PLAIN");
  const auto first = sasl.start();
  CHECK(first.outcome == SaslClient::Outcome::send);
  CHECK(text_of(first.token) == std::string("\0alice\0pa,s=s", 13));
  CHECK(sasl.on_challenge({}).outcome == SaslClient::Outcome::done);
}

TEST_CASE("PLAIN takes no challenge") {
  SaslClient sasl = client("PLAIN", "alice", "secret");
  sasl.start();
  CHECK(sasl.on_challenge(bytes_of("more")).outcome == SaslClient::Outcome::failed);
  CHECK(sasl.on_challenge({}).outcome == SaslClient::Outcome::failed);
}

TEST_CASE("SCRAM-SHA-256 of RFC 7677's example") {
  SaslClient sasl = rfc_client();
  CHECK(text_of(sasl.start().token) == "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  const auto proof = prove(sasl, rfc_server_first);
  REQUIRE(proof.outcome == SaslClient::Outcome::send);
  CHECK(text_of(proof.token) ==
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  CHECK(sasl.on_challenge(bytes_of(rfc_server_final)).outcome == SaslClient::Outcome::done);
  CHECK(sasl.on_challenge({}).outcome == SaslClient::Outcome::failed);
}

// The expected tokens were computed once with Python's hashlib and hmac.
TEST_CASE("SCRAM-SHA-512 with characters to escape in the name and UTF-8 in the password") {
  SaslClient sasl = client("SCRAM-SHA-512", "kferry,probe=1", "p\xc3\xa4ss=w,rd", "fyko+d2lbbFgONRv9qkxdawL");
  CHECK(text_of(sasl.start().token) == "n,,n=kferry=2Cprobe=3D1,r=fyko+d2lbbFgONRv9qkxdawL");
  const auto proof =
      prove(sasl, "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=8192");
  REQUIRE(proof.outcome == SaslClient::Outcome::send);
  CHECK(text_of(proof.token) ==
        "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
        "p=bvZDsnYUAsy9pqQUIBBSqyV1X9kyNA9o/yQIwDW1U2ptlxqWcZdJzgGh05YCxm1HYqSBJYafowZQeHSy7LVeXw==");
  CHECK(sasl.on_challenge(
                bytes_of("v=//dQb6wV5qgNX02ExPDBYpAytzgBE2X6N1O6+eiJUtKoR+zpwRD1Aal3ZlqkEYZvxEQBhojdjQ"
                         "Ei3X9je69cKw=="))
            .outcome == SaslClient::Outcome::done);
}

TEST_CASE("a server that does not know the password is found out") {
  SaslClient sasl = rfc_client();
  sasl.start();
  prove(sasl, rfc_server_first);
  std::string wrong(rfc_server_final);
  wrong[4] = wrong[4] == 'A' ? 'B' : 'A';
  const auto step = sasl.on_challenge(bytes_of(wrong));
  CHECK(step.outcome == SaslClient::Outcome::failed);
  CHECK(step.failure.find("signature") != std::string::npos);
}

TEST_CASE("the server's refusal is shown by its name in RFC 5802, and its own words never") {
  const auto refused = [](const std::string& message, bool first) {
    SaslClient sasl = rfc_client();
    sasl.start();
    if (!first) prove(sasl, rfc_server_first);
    const auto step = sasl.on_challenge(bytes_of(message));
    CHECK(step.outcome == SaslClient::Outcome::failed);
    return step.failure;
  };
  for (const bool first : {true, false}) {
    CHECK(refused("e=invalid-proof", first).find("invalid-proof") != std::string::npos);
    CHECK(refused("e=unknown-user,x=token", first).find("refused SCRAM: unknown-user") != std::string::npos);
    for (const char* hostile : {"e=token-4711", "e=invalid-proof token-4711", "e=invalid-proof,token-4711",
                                "e=invalid-proof\n\x1b[2Jtoken-4711"})
      CHECK(refused(hostile, first).find("4711") == std::string::npos);
  }
  CHECK(refused("r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=token-4711", true).find("4711") ==
        std::string::npos);
}

TEST_CASE("a first message of the server's that must not be answered is refused") {
  const std::string_view bad[] = {
      "",
      "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",         // adds nothing to our nonce
      "r=other%hvYDpWUa2RaTCAfuxFIlj,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",  // is not ours
      "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095",        // RFC 7677's least is 4096
      "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=100001",      // a year of our time
      "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999999999999999",
      "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-4096",
      "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096x",
      "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=",
      "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==",
      "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096",
      "r=rOprNGfwEbeRWgbNEkqOx,s=*,i=4096",
      "m=must,r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",  // a mandatory extension
      "s=W22ZaJ0SNY7soEsUEjb6gQ==,r=rOprNGfwEbeRWgbNEkqOx,i=4096",
      "e=unknown-user",
  };
  for (const std::string_view message : bad) {
    CAPTURE(message);
    SaslClient sasl = rfc_client();
    sasl.start();
    const auto step = sasl.on_challenge(bytes_of(message));
    CHECK(step.outcome == SaslClient::Outcome::failed);
    CHECK_FALSE(step.failure.empty());
    CHECK(step.token.empty());
    CHECK(step.failure.find("pencil") == std::string::npos);
    CHECK(sasl.on_challenge(bytes_of(rfc_server_first)).outcome == SaslClient::Outcome::failed);
  }
}

TEST_CASE("every truncation of the server's messages fails") {
  for (std::size_t size = 0; size < rfc_server_final.size(); ++size) {
    SaslClient sasl = rfc_client();
    sasl.start();
    REQUIRE(prove(sasl, rfc_server_first).outcome == SaslClient::Outcome::send);
    CHECK(sasl.on_challenge(bytes_of(rfc_server_final.substr(0, size))).outcome ==
          SaslClient::Outcome::failed);
  }
}

TEST_CASE("the most iterations that are accepted are derived, and no challenge is accepted meanwhile") {
  SaslClient sasl = rfc_client();
  sasl.start();
  const auto step =
      sasl.on_challenge(bytes_of("r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=100000"));
  REQUIRE(step.outcome == SaslClient::Outcome::derive);
  CHECK(step.order->iterations == scram_iterations_max);
  CHECK(sasl.on_challenge(bytes_of(rfc_server_final)).outcome == SaslClient::Outcome::failed);
}

TEST_CASE("a fresh nonce each time, without a comma") {
  const config::SaslCredentials credentials{"SCRAM-SHA-512", "user", "pencil"};
  auto a = SaslClient::make(credentials);
  auto b = SaslClient::make(credentials);
  const std::string first_a = text_of(a->start().token);
  const std::string first_b = text_of(b->start().token);
  CHECK(first_a != first_b);
  CHECK(first_a.size() == std::string_view("n,,n=user,r=").size() + 32);
  CHECK(first_a.find(',', 12) == std::string::npos);
}

TEST_CASE("credentials that cannot be used are refused with the remedy") {
  CHECK(SaslClient::make({"GSSAPI", "user", "pencil"}).error().find("SCRAM-SHA-512") != std::string::npos);
  CHECK(SaslClient::make({"PLAIN", "user", "pencil\n"}).error().find("line end") != std::string::npos);
  CHECK_FALSE(SaslClient::make({"PLAIN", std::string("us\0er", 5), "pencil"}).has_value());
  CHECK_FALSE(SaslClient::make({"PLAIN", "", "pencil"}).has_value());
  CHECK_FALSE(SaslClient::make({"PLAIN", "user", ""}).has_value());
}

}  // namespace
}  // namespace kferry::proxy
