#include "config/validate.h"

#include <doctest/doctest.h>

#include "config/loading_test.h"

using namespace kferry;
using namespace kferry::config;

TEST_CASE("a congestion control has the form of a name of the kernel's") {
  const auto loaded = [](const std::string& value) {
    return load_text("[engine]\ncongestion_control = \"" + value + "\"\n", plain());
  };
  CHECK(loaded("").config.engine.congestion_control.empty());
  CHECK(loaded(" bbr ").config.engine.congestion_control == "bbr");
  CHECK(loaded("dctcp-2_x").problems.empty());
  for (const std::string malformed : {"", "a b", "0123456789abcdef", "a/b", "\xC3\xA4"})
    CHECK(holds(loaded(malformed).problems, "k.toml:2", "net.ipv4.tcp_available_congestion_control"));
}

TEST_CASE("ports shared between listeners, and with HTTP, are errors") {
  const auto two = [](const std::string& first, const std::string& second, const std::string& bind) {
    return load_text(
        "[cluster.a.upstream]\nbootstrap_servers = \"k:1\"\n[cluster.a.listener.x]\nports = \"" + first +
        "\"\nadvertised_host = \"h\"\nsecurity_protocol = \"PLAINTEXT\"\n[cluster.a.listener.y]\nports = \"" +
        second + "\"\nbind_address = \"" + bind +
        "\"\nadvertised_host = \"g\"\nsecurity_protocol = \"PLAINTEXT\"\n");
  };
  CHECK(two("7000-7002", "7003", "0.0.0.0").ok());
  CHECK(holds(two("7000-7002", "7002-7005", "127.0.0.1").problems, "k.toml:8", "share local port 7002"));
  CHECK(two("7000-7002", "7002-7005", "::").ok());  // which leaves IPv4 to the other listener
  CHECK(two("7000-7002", "7002-7005", "[fd00::2]").ok());
  CHECK(
      holds(two("7000-7002", "7002-7005", "::ffff:127.0.0.1").problems, "k.toml:8", "share local port 7002"));
  CHECK(holds(two("7000", "1:8888", "10.0.0.1").problems, "k.toml:8", "which is the HTTP port"));
  CHECK(holds(with("GATEWAY_HTTP_PORT", "6970").problems, "GATEWAY_LISTENER_EXTERNAL_PORTS",
              "takes port 6970"));
}

TEST_CASE("the HTTP endpoint's further addresses have a port of their own, or that of bind") {
  CHECK_FALSE(with("GATEWAY_MIN_BROKERID", "0").config.operations.http_configured);
  const Loaded both = load_text("[operations]\nmetrics_bind = \"::\"\nhealth_bind = \"[::1]:9100\"\n");
  CHECK(both.config.operations.http_configured);
  CHECK(both.config.operations.metrics_bind == HostPort{"::", 0});
  CHECK(both.config.operations.health_bind == HostPort{"::1", 9100});
  CHECK(with("GATEWAY_HEALTH_BIND", "0.0.0.0").config.operations.health_bind == HostPort{"0.0.0.0", 0});
  CHECK(with("GATEWAY_METRICS_BIND", "10.0.0.1:9100").config.operations.metrics_bind ==
        HostPort{"10.0.0.1", 9100});
  CHECK(holds(with("GATEWAY_METRICS_BIND", "everywhere").problems, "GATEWAY_METRICS_BIND", "'everywhere'"));
  CHECK(holds(with("GATEWAY_METRICS_BIND", "127.0.0.1:6970").problems, "GATEWAY_LISTENER_EXTERNAL_PORTS",
              "takes port 6970, which is the HTTP port: move the listener, or set metrics_bind"));
}

TEST_CASE("an upstream that is kferry itself is an error") {
  CHECK(holds(with("KAFKA_BOOTSTRAP_SERVERS", "gateway.example.com:6969").problems, "KAFKA_BOOTSTRAP_SERVERS",
              "kferry would dial itself"));
  CHECK(
      holds(with("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:6971").problems, "KAFKA_BOOTSTRAP_SERVERS", "itself"));
  CHECK(with("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092").ok());
}

TEST_CASE("listeners that tell clients of one place are a warning") {
  const auto two = [](const std::string& host, const std::string& ports) {
    return load_text(
        "[cluster.a.upstream]\nbootstrap_servers = \"k:1\"\n[cluster.a.listener.x]\nports = \"7000-7002\"\n"
        "bind_address = \"10.0.0.1\"\nadvertised_host = \"gw.example.com\"\n"
        "security_protocol = \"PLAINTEXT\"\n[cluster.a.listener.y]\nports = \"" +
        ports + "\"\nbind_address = \"10.0.0.2\"\nadvertised_host = \"" + host +
        "\"\nsecurity_protocol = \"PLAINTEXT\"\n");
  };
  CHECK(holds(two("GW.example.com", "7002-7004").warnings, "k.toml:11",
              "both tell clients of GW.example.com:7002: give each listener a host"));
  CHECK(two("gw.example.com", "7003-7005").warnings.empty());
  CHECK(two("gw2.example.com", "7000-7002").warnings.empty());
}

TEST_CASE("listeners that route by SNI share a socket if no name matches both") {
  const auto two = [](const std::string& a, const std::string& b, const std::string& bind,
                      const std::string& more = "") {
    const auto listener = [](const std::string& name, const std::string& pattern,
                             const std::string& address) {
      return "[cluster.a.listener." + name +
             "]\nports = \"9092\"\nrouting = \"sni\"\nsecurity_protocol = \"SSL\"\n"
             "advertised_host_pattern = \"" +
             pattern + "\"\nbind_address = \"" + address + "\"\n";
    };
    const std::string table = "tls = { certificate = \"/c\", key = \"/k\" }\n";
    return load_text(toml_upstream + listener("x", a, "0.0.0.0") + table + listener("y", b, bind) + more +
                     table);
  };
  CHECK(all_text(two("x-{{nodeId}}.k", "y-{{nodeId}}.k", "0.0.0.0")) == "");
  CHECK(holds(two("x-{{nodeId}}.k", "X-{{nodeId}}.K", "0.0.0.0").problems, "k.toml:13",
              "one name matches both"));
  CHECK(
      holds(two("x-{{nodeId}}.k", "y-{{nodeId}}.k", "0.0.0.0", "bootstrap_host_pattern = \"x.k\"\n").problems,
            "k.toml:13", "one name matches both"));
  CHECK(holds(two("x-{{nodeId}}.k", "y-{{nodeId}}.k", "127.0.0.1").problems, "k.toml:13",
              "the same bind address"));
}

TEST_CASE("warnings: port ranges, advertised host, fewer ports than servers, plaintext before TLS") {
  Sources sources;
  sources.environment = plain();
  sources.environment["GATEWAY_LISTENER_EXTERNAL_PORTS"] = "32766-32769";
  sources.environment["GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST"] = "127.0.0.1";
  sources.ephemeral_ports = {std::uint16_t{32768}, std::uint16_t{60999}};
  Loaded loaded = load(sources);
  CHECK(loaded.ok());
  CHECK(holds(loaded.warnings, "GATEWAY_LISTENER_EXTERNAL_PORTS", "ip_local_reserved_ports=32768-32769"));
  CHECK(holds(loaded.warnings, "GATEWAY_LISTENER_EXTERNAL_PORTS", "port 32766-32767"));
  CHECK(holds(loaded.warnings, "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST", "only clients on this host"));
  CHECK(holds(with("GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST", "0.0.0.0").warnings,
              "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST", "no client can dial"));
  CHECK(holds(with("KAFKA_BOOTSTRAP_SERVERS", "a:1 , b:1,\n c:1,d:1").warnings,
              "GATEWAY_LISTENER_EXTERNAL_PORTS", "3 ports for 4 bootstrap servers"));
  CHECK(holds(with("KAFKA_SECURITY_PROTOCOL", "SSL").warnings, "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL",
              "passwords cross in the clear"));
}
