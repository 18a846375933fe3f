#include "config/jaas.h"

#include <doctest/doctest.h>

using namespace kferry::config;

namespace {
bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}
}  // namespace

TEST_CASE("JAAS text is read as Java reads it") {
  const auto plain = parse_jaas(
      "org.apache.kafka.common.security.plain.PlainLoginModule required\n username=\"al\\\"ice\"  "
      "password='p\\\\w;\\101';");
  REQUIRE(plain);
  CHECK(plain->module == "org.apache.kafka.common.security.plain.PlainLoginModule");
  CHECK(plain->options.at("username") == "al\"ice");
  CHECK(plain->options.at("password") == "p\\w;A");
  CHECK(parse_jaas("a.B required;")->options.empty());
  CHECK(parse_jaas("a.B REQUIRED user=bob;")->options.at("user") == "bob");
  CHECK(has(parse_jaas("a.B required x=\"y\"").error().what, "';' is missing"));
  CHECK(has(parse_jaas("a.B required x=\"y;").error().what, "a quote is not closed"));
  CHECK(has(parse_jaas("a.B x=\"y\";").error().what, "required"));
  CHECK(has(parse_jaas("a.B required x;").error().what, "'='"));
  CHECK(has(parse_jaas("a.B required x=;").error().what, "value"));
  CHECK(has(parse_jaas("a.B required x=1 x=2;").error().what, "twice"));
  CHECK(has(parse_jaas("a.B required; c.D required;").error().what, "nothing after"));
  CHECK_FALSE(parse_jaas(""));
}
