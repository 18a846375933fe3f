#include "kafka/sasl_principal.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <random>

#include "base/secret.h"

namespace kferry::kafka {
namespace {

using namespace std::string_literals;

std::string name_of(std::string_view mechanism, std::string_view token) {
  return claimed_principal(mechanism, bytes_of(token)).name;
}

std::string base64url(std::string_view text) {
  static constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    bits = bits << 8U | static_cast<unsigned char>(c);
    for (count += 8; count >= 6;) out += digits[bits >> (count -= 6) & 63U];
  }
  if (count > 0) out += digits[bits << (6 - count) & 63U];
  return out;
}

std::string bearer(std::string_view claims) {
  return "n,,\x01"s + "auth=Bearer eyJhbGciOiJub25lIn0." + base64url(claims) + ".c2lnbmF0dXJl\x01\x01";
}

TEST_CASE("PLAIN claims the authentication id, not the id to act as") {
  CHECK(name_of("PLAIN", "\0alice\0secret"s) == "alice");
  CHECK(name_of("PLAIN", "admin\0alice\0secret"s) == "alice");
  CHECK(name_of("PLAIN", "\0\0secret"s) == "");
  CHECK(name_of("PLAIN", "alice\0secret"s) == "");  // the password could be taken for a name
  CHECK(name_of("PLAIN", "secret") == "");
  CHECK(name_of("PLAIN", "") == "");
  CHECK(name_of("PLAIN", "\0"s + std::string(1000, 'x') + "\0secret"s) == std::string(128, 'x'));
}

TEST_CASE("SCRAM claims the user, or the id of a delegation token") {
  CHECK(name_of("SCRAM-SHA-256", "n,,n=alice,r=fyko+d2lbbFgONRv9qkxdawL") == "alice");
  CHECK(name_of("SCRAM-SHA-512", "n,a=admin,n=a=2Cb=3Dc,r=x") == "a,b=c");
  CHECK(name_of("SCRAM-SHA-256", "y,,n=alice,r=x") == "alice");
  const ClaimedPrincipal token = claimed_principal("SCRAM-SHA-256", bytes_of("n,,n=d0Bz,r=x,tokenauth=true"));
  CHECK(token.name == "d0Bz");
  CHECK(token.delegation_token);
  CHECK_FALSE(claimed_principal("SCRAM-SHA-256", bytes_of("n,,n=x,r=x,tokenauth=no")).delegation_token);
  // A client-final message, which holds a proof, names no one.
  CHECK(name_of("SCRAM-SHA-256", "c=biws,r=x,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=") == "");
}

TEST_CASE("OAUTHBEARER claims the subject of a JWT") {
  CHECK(name_of("OAUTHBEARER", bearer(R"({"iss":"x","sub":"alice","exp":1})")) == "alice");
  CHECK(name_of("OAUTHBEARER", bearer(R"({ "roles" : ["sub", {"sub":"no"}] , "sub" : "a\"b\u00e9" })")) ==
        "a\"b\u00e9");
  CHECK(name_of("OAUTHBEARER", bearer(R"({"sub":7})")) == "");
  CHECK(name_of("OAUTHBEARER", bearer(R"({"nested":{"sub":"no"}})")) == "");
  CHECK(name_of("OAUTHBEARER", bearer(R"({"a":],"sub":"no"})")) == "");
  CHECK(name_of("OAUTHBEARER", "n,,\x01"s + "auth=Bearer opaque-token\x01\x01") == "");
  CHECK(name_of("OAUTHBEARER", "n,,\x01"s + "auth=Bearer a.!!!.c\x01\x01") == "");
  CHECK(name_of("OAUTHBEARER", "\x01") == "");
  const std::string whole = bearer(R"({"sub":"alice"})");
  CHECK(name_of("OAUTHBEARER", whole.substr(0, whole.size() - 3)) == "");  // cut inside the token
}

TEST_CASE("AWS_MSK_IAM claims the access key id") {
  CHECK(name_of("AWS_MSK_IAM",
                R"({"version":"2020_10_22","host":"b-1","x-amz-signature":"deadbeef",)"
                R"("x-amz-credential":"AKIAEXAMPLE/20240101/us-east-1/kafka-cluster/aws4_request"})") ==
        "AKIAEXAMPLE");
  CHECK(name_of("AWS_MSK_IAM", R"({"x-amz-credential":"no slash"})") == "");
  CHECK(name_of("AWS_MSK_IAM", "not JSON") == "");
}

TEST_CASE("mechanisms whose tokens are not readable claim nothing") {
  CHECK(name_of("GSSAPI", "\x60\x82\x02\x5b alice"s) == "");
  CHECK(name_of("SOMETHING", "\0alice\0secret"s) == "");
}

TEST_CASE("no prefix and no mutation of a token reveals more than the name") {
  std::mt19937 random(7);
  const std::string secret = "hunter2-never-shown";
  const std::string tokens[] = {
      "\0alice\0"s + secret, "n,,n=alice,r=" + secret, bearer(R"({"sub":"alice","jti":")" + secret + "\"}"),
      R"({"x-amz-security-token":")" + secret + R"(","x-amz-credential":"AKIA/x"})"};
  const std::string_view mechanisms[] = {"PLAIN", "SCRAM-SHA-256", "OAUTHBEARER", "AWS_MSK_IAM"};
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t size = 0; size <= tokens[i].size(); ++size)
      REQUIRE(name_of(mechanisms[i], tokens[i].substr(0, size)).find(secret) == std::string::npos);
    for (int round = 0; round < 2000; ++round) {
      std::string token = tokens[i];
      token[random() % token.size()] = static_cast<char>(random());
      REQUIRE(name_of(mechanisms[i], token).size() <= ClaimedPrincipal::name_max);
    }
  }
}

}  // namespace
}  // namespace kferry::kafka
