#include "config/validate_listener.h"

#include <doctest/doctest.h>

#include "config/loading_test.h"

using namespace kferry;
using namespace kferry::config;

TEST_CASE("a listener without its required variables names each of them") {
  const Loaded loaded =
      load_variables({{"KAFKA_BOOTSTRAP_SERVERS", "k:1"}, {"GATEWAY_LISTENER_NAMES", "Internal"}});
  CHECK(loaded.problems.size() == 3);
  for (const char* suffix : {"SECURITY_PROTOCOL", "PORTS", "ADVERTISED_HOST"}) {
    const std::string name = std::string("GATEWAY_LISTENER_INTERNAL_") + suffix;
    CHECK(holds(loaded.problems, name, name + " is missing"));
  }
}

TEST_CASE("the advertised host is optional with one concrete bind address") {
  Environment environment = plain();
  environment.erase("GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST");
  CHECK_FALSE(load_variables(environment).ok());
  environment["GATEWAY_LISTENER_EXTERNAL_BIND_ADDRESS"] = "[2001:db8::1]";
  const Loaded loaded = load_variables(environment);
  CHECK(all_text(loaded) == "");
  CHECK(loaded.config.clusters.at(0).listeners.at(0).advertised_host == "2001:db8::1");
  environment["GATEWAY_LISTENER_EXTERNAL_BIND_ADDRESS"] = "eth0";
  CHECK(holds(load_variables(environment).problems, "GATEWAY_LISTENER_EXTERNAL_BIND_ADDRESS",
              "is not a valid IP address"));
}

TEST_CASE("ids take the ports in order and must not outnumber them") {
  const Loaded loaded = with("GATEWAY_LISTENER_EXTERNAL_IDS", "100-101,200");
  CHECK(loaded.ok());
  CHECK(loaded.config.clusters.at(0).listeners.at(0).ids == std::vector<std::int32_t>{100, 101, 200});
  CHECK(holds(with("GATEWAY_LISTENER_EXTERNAL_IDS", "1-4").problems, "GATEWAY_LISTENER_EXTERNAL_IDS",
              "4 ids for 3 ports"));
  CHECK(with("GATEWAY_MIN_BROKERID", "1").config.clusters.at(0).listeners.at(0).min_broker_id == 1);
  CHECK(holds(with("GATEWAY_MIN_BROKERID", "-1").problems, "GATEWAY_MIN_BROKERID", "whole number"));
}

TEST_CASE("SASL on one side only is an error") {
  Environment environment = quick_start("SASL_PLAINTEXT");
  environment["GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL"] = "PLAINTEXT";
  CHECK(holds(load_variables(environment).problems, "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL",
              "use SASL on both sides or on neither"));
}

TEST_CASE("a client certificate is not lent unless asked, and a listener without TLS requires none") {
  const Environment store{{"KAFKA_SSL_KEYSTORE_LOCATION", "/k.p12"}, {"GATEWAY_SSL_TRUST_STORE_PATH", "/ca"}};
  const auto lent = [&](Environment changes) {
    changes.insert(store.begin(), store.end());
    return holds(with_tls(changes).problems, "KAFKA_SSL_KEYSTORE_LOCATION", "kferry's principal");
  };
  CHECK(lent({}));
  CHECK(lent({{"GATEWAY_LISTENER_EXTERNAL_SSL_CLIENT_AUTH", "OPTIONAL"}}));
  CHECK(
      lent({{"GATEWAY_LISTENER_EXTERNAL_SSL_CLIENT_AUTH", "NONE"}, {"GATEWAY_SSL_CLIENT_AUTH", "REQUIRE"}}));
  CHECK(lent({{"GATEWAY_SSL_CLIENT_AUTH", "REQUIRE"},
              {"GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL", "PLAINTEXT"}}));
  CHECK_FALSE(lent({{"GATEWAY_LISTENER_EXTERNAL_SSL_CLIENT_AUTH", "REQUIRE"}}));
  CHECK_FALSE(lent({{"GATEWAY_SSL_CLIENT_AUTH", "require"}}));
  CHECK_FALSE(lent({{"KAFKA_LEND_IDENTITY", "true"}}));
}
