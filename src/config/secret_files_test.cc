#include "config/secret_files.h"

#include <doctest/doctest.h>

#include "config/loading_test.h"

using namespace kferry;
using namespace kferry::config;

TEST_CASE("secrets can come from files, but not twice") {
  Environment environment = quick_start("SASL_PLAINTEXT");
  environment.erase("KAFKA_SASL_JAAS_CONFIG");
  environment["KAFKA_SASL_JAAS_CONFIG_FILE"] = "/run/jaas";
  const Loaded loaded = load_variables(environment, {{"/run/jaas", std::string(jaas) + "\n"}});
  CHECK(all_text(loaded) == "");
  CHECK(loaded.config.clusters.at(0).upstream.sasl->password == "s3cr3t-Pw");
  CHECK(
      holds(load_variables(environment).problems, "KAFKA_SASL_JAAS_CONFIG_FILE", "cannot read '/run/jaas'"));
  environment["KAFKA_SASL_JAAS_CONFIG"] = jaas;
  CHECK(holds(load_variables(environment, {{"/run/jaas", jaas}}).problems, "KAFKA_SASL_JAAS_CONFIG_FILE",
              "given twice"));
}

TEST_CASE("secrets of TLS can come from files and are never shown") {
  const Loaded loaded = with_tls({{"GATEWAY_SSL_KEY_STORE_PASSWORD_FILE", "/p"},
                                  {"KAFKA_SSL_KEYSTORE_KEY_FILE", "/p"},
                                  {"KAFKA_SSL_KEY_PASSWORD", "s3cr3t-Pw"},
                                  {"KAFKA_SSL_TRUSTSTORE_PASSWORD", "s3cr3t-Pw"}},
                                 {{"/p", "s3cr3t-Pw\n"}});
  CHECK_FALSE(loaded.ok());
  CHECK(all_text(loaded).find("s3cr3t") == std::string::npos);
  CHECK(listener_tls(loaded).identity.certificates.password == "s3cr3t-Pw");
}

TEST_CASE("a secret is used as written; exactly one line end is removed from a file") {
  const auto password = [](const Loaded& loaded) {
    return listener_tls(loaded).identity.certificates.password->text;
  };
  for (const auto& [written, meant] :
       std::initializer_list<std::pair<std::string, std::string>>{{" pw ", " pw "},
                                                                  {"pw\n", "pw"},
                                                                  {"pw\r\n", "pw"},
                                                                  {"pw\n\n", "pw\n"},
                                                                  {"pw\r", "pw\r"},
                                                                  {"pw \t\n", "pw \t"},
                                                                  {"\n", ""}}) {
    CAPTURE(written);
    CHECK(password(with_tls({{"GATEWAY_SSL_KEY_STORE_PASSWORD_FILE", " /p "}}, {{"/p", written}})) == meant);
  }
  const Loaded direct = with_tls({{"GATEWAY_SSL_KEY_STORE_PASSWORD", " pw\n"},
                                  {"GATEWAY_SSL_KEY_PASSWORD", "\tkey "},
                                  {"KAFKA_SSL_TRUSTSTORE_LOCATION", " /ca "},
                                  {"KAFKA_SSL_TRUSTSTORE_PASSWORD", " trust, or not "}});
  CHECK(password(direct) == " pw\n");
  CHECK(listener_tls(direct).identity.key_password == "\tkey ");
  CHECK(upstream_tls(direct).authorities->path == "/ca");
  CHECK(upstream_tls(direct).authorities->password == " trust, or not ");
  const auto from_file = [&](const std::string& line) {
    return password(with_tls({{"GATEWAY_ENV_FILE", "/e"}}, {{"/e", line}}));
  };
  CHECK(from_file("GATEWAY_SSL_KEY_STORE_PASSWORD=pw \n") == "pw ");
  CHECK(from_file("GATEWAY_SSL_KEY_STORE_PASSWORD= pw\r\n") == " pw");
  CHECK(from_file("  export GATEWAY_SSL_KEY_STORE_PASSWORD = pw") == "pw");
  CHECK(from_file("GATEWAY_SSL_KEY_STORE_PASSWORD=' pw ' ") == " pw ");
}
