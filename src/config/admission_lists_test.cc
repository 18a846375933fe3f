#include "config/admission_lists.h"

#include "config/loading_test.h"

using namespace kferry;
using namespace kferry::config;

namespace {

const std::string prefix = "GATEWAY_LISTENER_EXTERNAL_";

Loaded with_all(const Environment& changes) {
  Environment environment = plain();
  for (const auto& [name, value] : changes) environment[prefix + name] = value;
  return load_variables(environment);
}

const Listener& listener_of(const Loaded& loaded) {
  REQUIRE(all_text(loaded) == "");
  return loaded.config.clusters.at(0).listeners.at(0);
}

}  // namespace

TEST_CASE("lists of clients are comma lists of addresses and ranges") {
  const Loaded loaded = with_all({{"ALLOW_FROM", "10.0.0.0/8, 2001:db8::/32,192.0.2.7"},
                                  {"DENY_FROM", "10.9.0.0/16"},
                                  {"MAX_CONNECTIONS", "100"},
                                  {"MAX_CONNECTIONS_PER_ADDRESS", "5"},
                                  {"MAX_CONNECTION_AGE_S", "3600"}});
  const Listener& listener = listener_of(loaded);
  REQUIRE(listener.allow_from.size() == 3);
  CHECK(listener.allow_from[1].text() == "2001:db8::/32");
  CHECK(listener.allow_from[2].text() == "192.0.2.7/32");
  REQUIRE(listener.deny_from.size() == 1);
  CHECK(listener.max_connections == 100);
  CHECK(listener.max_connections_per_address == 5);
  CHECK(listener.max_connection_age_s == 3600);
}

TEST_CASE("a list in the file may be an array, and an empty one is an error") {
  const Loaded loaded = load_text(toml_plain + "allow_from = [\"10.0.0.0/8\", \"::1\"]\ndeny_from = []\n");
  CHECK(holds(loaded.problems, "k.toml:10", "the list is empty"));
  CHECK(loaded.config.clusters.at(0).listeners.at(0).allow_from.size() == 2);
}

TEST_CASE("what is not an address or a range is an error that names it") {
  CHECK(holds(with_all({{"ALLOW_FROM", "10.0.0.0/8,example.com"}}).problems, prefix + "ALLOW_FROM",
              "'example.com' is not a valid address or CIDR range"));
  CHECK(holds(with_all({{"DENY_FROM", "10.0.0.0/33"}}).problems, prefix + "DENY_FROM", "'10.0.0.0/33'"));
}

TEST_CASE("a PROXY protocol off loopback needs a list of senders") {
  const Loaded open = with_all({{"PROXY_PROTOCOL", "required"}});
  CHECK(holds(open.problems, prefix + "PROXY_PROTOCOL", "PROXY_PROTOCOL_FROM is missing"));
  const Loaded listed = with_all({{"PROXY_PROTOCOL", "OPTIONAL"}, {"PROXY_PROTOCOL_FROM", "10.0.0.0/24"}});
  CHECK(listener_of(listed).proxy_protocol == ProxyProtocol::optional);
  CHECK(listener_of(listed).proxy_protocol_from.size() == 1);
  const Loaded local = with_all({{"PROXY_PROTOCOL", "required"}, {"BIND_ADDRESS", "127.0.0.1"}});
  CHECK(listener_of(local).proxy_protocol == ProxyProtocol::required);
}

TEST_CASE("cloud endpoints are those of AWS, Azure and Google, and come by a PROXY protocol only") {
  const Environment proxy = {{"PROXY_PROTOCOL", "required"}, {"PROXY_PROTOCOL_FROM", "10.0.0.0/24"}};
  Environment listed = proxy;
  listed["ALLOW_ENDPOINTS"] = "vpce-08d2bf15fac5001c9,azure:67109345, gcp:18446744073709551615";
  CHECK(listener_of(with_all(listed)).allow_endpoints.size() == 3);
  for (const char* wrong : {"vpce-", "vpce-AB", "azure:4294967296", "azure:01",
                            "gcp:", "gcp:18446744073709551616", "17", "aws:1"}) {
    Environment changes = proxy;
    changes["ALLOW_ENDPOINTS"] = wrong;
    CHECK(holds(with_all(changes).problems, prefix + "ALLOW_ENDPOINTS", "is not a valid cloud endpoint"));
  }
  CHECK(holds(with_all({{"ALLOW_ENDPOINTS", "gcp:1"}}).problems, prefix + "ALLOW_ENDPOINTS",
              "without a PROXY protocol"));
}

TEST_CASE("senders without a PROXY protocol are a warning") {
  CHECK(holds(with_all({{"PROXY_PROTOCOL_FROM", "10.0.0.0/24"}}).warnings, prefix + "PROXY_PROTOCOL_FROM",
              "has no effect"));
}

TEST_CASE("listeners that share a socket agree on the PROXY protocol") {
  const std::string upstream =
      "[cluster.a.upstream]\nbootstrap_servers = \"k1:9092\"\nsecurity_protocol = \"SSL\"\n";
  const auto listener = [](const std::string& name, const std::string& more) {
    return "[cluster.a.listener." + name +
           "]\nports = \"7000\"\nrouting = \"sni\"\nsecurity_protocol = \"SSL\"\n" +
           "advertised_host_pattern = \"b-{{nodeId}}." + name + ".example\"\n" + more +
           "tls = { certificate = \"/tls/" + name + ".pem\" }\n";
  };
  const std::string with_header = "proxy_protocol = \"required\"\nproxy_protocol_from = \"10.0.0.0/8\"\n";
  const Loaded differ = load_text(upstream + listener("one", with_header) + listener("two", ""));
  CHECK(all_text(differ).find("share a socket") != std::string::npos);
  const Loaded agree = load_text(upstream + listener("one", with_header) + listener("two", with_header));
  CHECK(all_text(agree).find("share a socket") == std::string::npos);
}
