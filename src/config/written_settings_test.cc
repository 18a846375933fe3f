#include "config/written_settings.h"

#include "config/loading_test.h"

namespace kferry::config {
namespace {

std::vector<std::string> texts(const Loaded& from, const Loaded& to) {
  CHECK(from.ok());
  CHECK(to.ok());
  std::vector<std::string> found;
  for (const Difference& one : differences(from.settings, to.settings))
    found.push_back(one.text + (one.needs_upgrade ? " (upgrade)" : ""));
  return found;
}

using Texts = std::vector<std::string>;

const std::string cluster = R"(
[cluster.orders.upstream]
bootstrap_servers = ["kafka1:9092", "kafka2:9092"]
[cluster.orders.listener.external]
ports = "6969-6971"
advertised_host = "kferry.example.com"
security_protocol = "PLAINTEXT"
)";
const std::string second_listener = R"(
[cluster.orders.listener.internal]
ports = "7969-7971"
advertised_host = "kferry.internal"
security_protocol = "PLAINTEXT"
)";
const std::string second_cluster = R"(
[cluster.bills.upstream]
bootstrap_servers = ["other:9092"]
[cluster.bills.listener.external]
ports = "8969"
advertised_host = "kferry.example.com"
security_protocol = "PLAINTEXT"
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

}  // namespace

TEST_CASE("a configuration does not differ from itself") {
  CHECK(texts(load_text(cluster), load_text(cluster)) == Texts{});
  CHECK(texts(load_variables(quick_start("SASL_PLAINTEXT")), load_variables(quick_start("SASL_PLAINTEXT"))) ==
        Texts{});
}

TEST_CASE("a changed value is shown from what to what") {
  CHECK(texts(load_text(cluster), load_text(replaced(cluster, "6969-6971", "6969-6974"))) ==
        Texts{"listener external of cluster orders: ports: '6969-6971' -> '6969-6974'"});
  CHECK(texts(load_text(cluster), load_text(replaced(cluster, "kafka2", "kafka3"))) ==
        Texts{"cluster orders: bootstrap_servers: 'kafka1:9092,kafka2:9092' -> 'kafka1:9092,kafka3:9092'"});
}

TEST_CASE("a key that comes or goes is shown with its default") {
  const Loaded with_limit = load_text(cluster + "[limits]\nfirst_byte_timeout_ms = 1000\n");
  CHECK(texts(load_text(cluster), with_limit) == Texts{"[limits] first_byte_timeout_ms: 60000 -> '1000'"});
  CHECK(texts(with_limit, load_text(cluster)) == Texts{"[limits] first_byte_timeout_ms: '1000' -> 60000"});
}

TEST_CASE("a written default is not a difference") {
  CHECK(texts(load_text(cluster), load_text(cluster + "[limits]\nfirst_byte_timeout_ms = 60000\n")) ==
        Texts{});
}

TEST_CASE("a listener or cluster that comes or goes is one difference") {
  CHECK(texts(load_text(cluster), load_text(cluster + second_listener)) ==
        Texts{"listener internal of cluster orders: added"});
  CHECK(texts(load_text(cluster + second_listener), load_text(cluster)) ==
        Texts{"listener internal of cluster orders: removed"});
  CHECK(texts(load_text(cluster), load_text(cluster + second_cluster)) == Texts{"cluster bills: added"});
  CHECK(texts(load_text(cluster + second_cluster), load_text(cluster)) == Texts{"cluster bills: removed"});
}

TEST_CASE("what needs an upgrade is marked") {
  CHECK(texts(load_text(cluster), load_text(cluster + "[engine]\nworkers = 2\n")) ==
        Texts{"[engine] workers: 0 -> '2' (upgrade)"});
  CHECK(texts(load_text(cluster), load_text(cluster + "[operations]\nbind = \"127.0.0.1:8889\"\n")) ==
        Texts{"[operations] bind: 127.0.0.1:8888 -> '127.0.0.1:8889' (upgrade)"});
}

TEST_CASE("a secret differs without being shown") {
  Environment other = quick_start("SASL_PLAINTEXT");
  other["KAFKA_SASL_JAAS_CONFIG"] = replaced(jaas, "s3cr3t-Pw", "n3w-Pw");
  CHECK(texts(load_variables(quick_start("SASL_PLAINTEXT")), load_variables(other)) ==
        Texts{"cluster default: sasl_jaas_config: changed"});
  other.erase("KAFKA_SASL_JAAS_CONFIG");
  CHECK(texts(load_variables(quick_start("SASL_PLAINTEXT")), load_variables(other)) ==
        Texts{"cluster default: sasl_jaas_config: no longer set"});
}

TEST_CASE("ignored variables make no difference") {
  Environment other = quick_start("SASL_PLAINTEXT");
  other["GATEWAY_LICENSE_KEY"] = "another";
  CHECK(texts(load_variables(quick_start("SASL_PLAINTEXT")), load_variables(other)) == Texts{});
}

TEST_CASE("the comparable text has every setting but secrets") {
  const Loaded loaded = load_variables(quick_start("SASL_PLAINTEXT"));
  const std::string text = comparable_text(loaded.settings);
  CHECK(text.find("6969-6971") != std::string::npos);
  CHECK(text.find("s3cr3t-Pw") == std::string::npos);
  CHECK(text == comparable_text(load_variables(quick_start("SASL_PLAINTEXT")).settings));
}

}  // namespace kferry::config
