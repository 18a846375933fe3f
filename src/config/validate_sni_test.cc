#include "config/validate_sni.h"

#include <doctest/doctest.h>

#include "config/loading_test.h"

using namespace kferry;
using namespace kferry::config;

TEST_CASE("routing by SNI takes one port and a pattern, needs TLS, and derives the bootstrap name") {
  const Loaded loaded = load_variables(sni_variables());
  CHECK(all_text(loaded) == "");
  const Listener& listener = loaded.config.clusters.at(0).listeners.at(0);
  REQUIRE(listener.sni);
  CHECK(listener.sni->host_of(NodeId{3}) == "broker-3.k.example");
  CHECK(listener.sni->bootstrap == "broker.k.example");
  CHECK(listener.advertised_host == "broker.k.example");

  const Loaded named = with_sni({{"GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST", "gw.example"}});
  CHECK(holds(named.warnings, "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST",
              "clients bootstrap at broker.k.example"));

  Environment environment = plain();
  environment["GATEWAY_LISTENER_EXTERNAL_ROUTING"] = "SNI";
  const Loaded wrong = load_variables(environment);
  CHECK(holds(wrong.problems, "GATEWAY_LISTENER_EXTERNAL_PORTS", "exactly one port"));
  CHECK(holds(wrong.problems, "GATEWAY_LISTENER_EXTERNAL_ROUTING", "set its security protocol to SSL"));
  CHECK(holds(wrong.problems, "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST_PATTERN", "is missing"));
}

TEST_CASE("patterns that cannot be used say why") {
  const std::string pattern = "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST_PATTERN";
  const std::string bootstrap = "GATEWAY_LISTENER_EXTERNAL_BOOTSTRAP_HOST_PATTERN";
  CHECK(holds(with_sni({{pattern, "k.example"}}).problems, pattern, "does not contain {{nodeId}}"));
  CHECK(holds(with_sni({{pattern, "{{nodeId}}-"}}).problems, pattern, "leaves no name for clients"));
  CHECK(holds(with_sni({{pattern, "{{nodeId}}-1.2"}}).problems, pattern, "leaves '1.2' for clients"));
  CHECK(holds(with_sni({{bootstrap, "b-{{nodeId}}.x"}}).problems, bootstrap, "contains {{nodeId}}"));
  CHECK(holds(with_sni({{bootstrap, "b-{{ nodeId }}.x"}}).problems, bootstrap, "contains {{ nodeId }}"));
  CHECK(
      holds(with_sni({{bootstrap, "broker-7.k.example"}}).problems, bootstrap, "also the name of a broker"));
  CHECK(with_sni({{bootstrap, "Kafka.Example"}}).config.clusters.at(0).listeners.at(0).sni->bootstrap ==
        "kafka.example");
  CHECK(holds(with("GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST_PATTERN", "b{{nodeId}}").warnings, pattern,
              "has no effect with routing by port"));
}

TEST_CASE("names that no client sends are errors with the remedy") {
  const std::string pattern = "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST_PATTERN";
  const std::string bootstrap = "GATEWAY_LISTENER_EXTERNAL_BOOTSTRAP_HOST_PATTERN";
  for (const char* text : {"10.0.0.{{nodeId}}", "1{{nodeId}}.0.0.1", "{{nodeId}}", "{{nodeId}}.10",
                           "fd00::{{nodeId}}", "[fd00::{{nodeId}}]", "::ffff:10.0.0.{{nodeId}}"}) {
    CAPTURE(text);
    const Loaded loaded = with_sni({{pattern, text}, {bootstrap, "broker.k.example"}});
    CHECK(holds(loaded.problems, pattern, "no client sends an address as a server name"));
    CHECK(holds(loaded.problems, pattern, "write host names such as broker-{{nodeId}}.kafka.example.com"));
    CHECK(holds(load_text(toml_upstream +
                          "[cluster.a.listener.x]\nports = \"9092\"\nrouting = \"sni\"\n"
                          "security_protocol = \"SSL\"\ntls = { certificate = \"/c\", key = \"/k\" }\n"
                          "advertised_host_pattern = \"" +
                          std::string(text) + "\"\n")
                    .problems,
                "k.toml:10", "no client sends an address as a server name"));
  }
  for (const char* text : {"192.0.2.1", "fd00::1", "[fd00::1]", "10.5", "7"}) {
    CAPTURE(text);
    CHECK(holds(with_sni({{bootstrap, text}}).problems, bootstrap, "no client sends it as a server name"));
  }
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {"b-{{nodeId}}.k.example.", "remove the final dot"},
           {"b-{{nodeId}}..k.example", "nothing between two dots"},
           {"b-{{nodeId}}." + std::string(64, 'a') + ".example", "more than 63 characters"},
           {"b-{{nodeId}}.k.example:9092", "without protocol and port"},
           {"kafka://b-{{nodeId}}.k.example", "without protocol and port"},
           {"b\xC3\xB6-{{nodeId}}.k.example", "xn--"},
           {"b-{{nodeId}}" + std::string(4, '.') + "x", "nothing between two dots"}}) {
    CAPTURE(text);
    CHECK(holds(with_sni({{pattern, text}}).problems, pattern, part));
  }
  CHECK(holds(with_sni({{bootstrap, "k.example."}}).problems, bootstrap, "remove the final dot"));
  CHECK(holds(with_sni({{bootstrap, std::string(64, 'a') + ".x"}}).problems, bootstrap, "more than 63"));
  CHECK(holds(with_sni({{bootstrap, "b\xC3\xB6.k.example"}}).problems, bootstrap, "xn--"));
}

TEST_CASE("names that Java's clients do not send are warnings that name Java") {
  const std::string pattern = "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST_PATTERN";
  const std::string bootstrap = "GATEWAY_LISTENER_EXTERNAL_BOOTSTRAP_HOST_PATTERN";
  const auto warned = [](const Loaded& loaded, const std::string& where, const std::string& part) {
    CHECK(loaded.ok());
    CHECK(loaded.warnings.size() == 1);
    CHECK(holds(loaded.warnings, where, "Java clients send no server name (SNI) for "));
    CHECK(holds(loaded.warnings, where,
                "kferry refuses their connections, because the server name is missing"));
    CHECK(holds(loaded.warnings, where, part));
  };
  warned(with_sni({{pattern, "broker-{{nodeId}}"}}), pattern, "broker-0 (it has only one label");
  warned(with_sni({{pattern, "broker_{{nodeId}}.k.example"}}), pattern, "it contains an underscore");
  warned(with_sni({{pattern, "b{{nodeId}}.kafka_1.example"}}), pattern, "it contains an underscore");
  warned(with_sni({{pattern, "broker-{{nodeId}}-.k.example"}}), pattern, "ends with a hyphen");
  warned(with_sni({{pattern, "b{{nodeId}}.-k.example"}}), pattern, "begins with a hyphen");
  // The bootstrap name has a line of its own where the pattern is not to blame.
  warned(with_sni({{pattern, "{{nodeId}}.example"}}), pattern, "SNI) for example (it has only one label");
  warned(with_sni({{bootstrap, "gateway"}}), bootstrap, "SNI) for gateway (it has only one label");
  warned(with_sni({{bootstrap, "_k.example"}}), bootstrap, "it contains an underscore");
  for (const char* text :
       {"broker-{{nodeId}}.k.example", "{{nodeId}}.k.example", "Broker--{{nodeId}}.K.example", "k.{{nodeId}}",
        "xn--brker-jua-{{nodeId}}.k.example", "256.x.{{nodeId}}"}) {
    CAPTURE(text);
    CHECK(all_text(with_sni({{pattern, text}, {bootstrap, "boot.k.example"}})) == "");
  }
}

TEST_CASE("a misspelled {{nodeId}} is recognised") {
  const std::string pattern = "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST_PATTERN";
  for (const char* form :
       {"{{ nodeId }}",  "{{nodeid}}", "{nodeId}",      "${nodeId}",   "{{node_id}}",   "{{NodeID}}",
        "{{nodeId}",     "{nodeId}}",  "$(nodeId)",     "{{.nodeId}}", "{{ .NodeID }}", "{{brokerId}}",
        "{{broker.id}}", "{{id}}",     "<nodeId>",      "$nodeId",     "%nodeId%",      "{{ node-id }}",
        "nodeId",        "${{nodeId}", "{{{node_id}}}", "[broker_id]"}) {
    CAPTURE(form);
    const Loaded loaded = with_sni({{pattern, "broker-" + std::string(form) + ".k.example"}});
    CHECK(holds(loaded.problems, pattern, "'" + std::string(form) + "' is not replaced by the broker's id"));
    CHECK(holds(loaded.problems, pattern, "did you mean {{nodeId}}? Write broker-{{nodeId}}.k.example"));
    CHECK(loaded.problems.size() == 1);
  }
  // A Kafka user's hosts are not placeholders.
  for (const char* plain :
       {"broker-id.k.example", "node-0.k.example", "idle.k.example", "$nodes.k.example"}) {
    CAPTURE(plain);
    CHECK(holds(with_sni({{pattern, plain}}).problems, pattern, "does not contain {{nodeId}}"));
  }
  const auto in_file = [](const std::string& text) {
    return load_text(toml_upstream +
                     "[cluster.a.listener.x]\nports = \"9092\"\nrouting = \"sni\"\n"
                     "security_protocol = \"SSL\"\ntls = { certificate = \"/c\", key = \"/k\" }\n"
                     "advertised_host_pattern = \"" +
                     text + "\"\n")
        .problems;
  };
  for (const char* form : {"{{ nodeId }}", "{{nodeid}}", "{nodeId}", "${nodeId}", "${node_id}", "${ nodeId }",
                           "${{nodeId}}", "$${nodeId}", "{{node_id}}"}) {
    CAPTURE(form);
    CHECK(holds(in_file("b-" + std::string(form) + ".k.example"), "k.toml:10", "did you mean {{nodeId}}?"));
  }
  // In the place of one host for every broker.
  CHECK(holds(with("GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST", "b-{{nodeId}}.k.example").problems,
              "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST", "set routing to sni"));
}
