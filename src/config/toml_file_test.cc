#include "config/toml_file.h"

#include <doctest/doctest.h>

#include "config/loading_test.h"

using namespace kferry;
using namespace kferry::config;

TEST_CASE("a TOML file with many clusters") {
  const Loaded loaded = load_text(toml_plain + R"(
[cluster.billing]
pass_api_keys = [95]
[cluster.billing.upstream]
bootstrap_servers = "b1:9092, [2001:db8::2]:9093"
[cluster.billing.listener.Internal]
ports = [7000, "7001-7002"]
ids = "5,7"
min_broker_id = 2
bind_address = "127.0.0.1"
security_protocol = "plaintext"
[operations]
bind = "[::1]:9000"
audit = "/var/log/kferry/audit.jsonl"
[engine]
workers = 2
backend = "io_uring"
splice_threshold_bytes = 65536
pin_workers = "on"
receive_buffers = 100
standing_receive_bytes = 0
look_ahead_bytes = 4096
[tls]
kernel_send = "off"
[limits]
first_byte_timeout_ms = 1000
unanswered_requests = 64
)");
  CHECK(loaded.problems.empty());
  REQUIRE(loaded.config.clusters.size() == 2);
  CHECK(loaded.config.clusters[0].name == "orders");
  const Cluster& billing = loaded.config.clusters[1];
  CHECK(billing.pass_api_keys == std::vector<std::int16_t>{95});
  CHECK(billing.upstream.bootstrap_servers.at(1) == HostPort{"2001:db8::2", 9093});
  CHECK(billing.listeners.at(0).name == "internal");
  CHECK(billing.listeners.at(0).ports.size() == 3);
  CHECK(loaded.config.operations.bind_host == "::1");
  CHECK(loaded.config.operations.port == 9000);
  CHECK(loaded.config.engine.workers == 2);
  CHECK(loaded.config.engine.backend == Backend::io_uring);
  CHECK(loaded.config.engine.splice_threshold_bytes == 65536);
  CHECK(loaded.config.engine.pin_workers);
  CHECK(loaded.config.engine.receive_buffers == 128);
  CHECK(loaded.config.engine.standing_receive_bytes == 0);
  CHECK(loaded.config.engine.look_ahead_bytes == 4096);
  CHECK(loaded.config.limits.first_byte_timeout_ms == 1000);
  CHECK(loaded.config.limits.unanswered_requests == 64);
}

TEST_CASE("the backend is auto, io_uring or epoll") {
  const Loaded loaded = load_text(toml_plain + "[engine]\nbackend = \"epoll\"\n");
  CHECK(loaded.problems.empty());
  CHECK(loaded.config.engine.backend == Backend::epoll);
  CHECK(load_text(toml_plain).config.engine.backend == Backend::automatic);
  CHECK(holds(load_text(toml_plain + "[engine]\nbackend = \"kqueue\"\n").problems, "k.toml:10", "io_uring"));
}

TEST_CASE("a syntax error is reported alone, with its line") {
  const Loaded loaded = load_text("[cluster.a\nx = 1\nunknown = 2\n", {{"GATEWAY_ACL_ENABLED", "true"}});
  REQUIRE(loaded.problems.size() == 1);
  CHECK(loaded.problems[0].where.starts_with("k.toml:1:"));
  CHECK(loaded.problems[0].what.starts_with("TOML syntax error: "));
}

TEST_CASE("what toml++ asserts or calls unreachable is a syntax error") {
  for (const char* text :
       {"[= \"x\"\n", "[[[a]]]\n", "[a\xC3\xA9]\n", "\xC3\xA9 = 1\n", "x = 1\xE3\x80\x81\n"}) {
    CAPTURE(text);
    const Loaded loaded = load_text(text);
    REQUIRE(loaded.problems.size() == 1);
    CHECK(loaded.problems[0].where.starts_with("k.toml:1:"));
  }
  // Outside ASCII after a line continuation, which is valid.
  CHECK(holds(load_text("x = \"\"\"\\\n  \xC3\xA9\"\"\"\n").problems, "k.toml:1", "unknown key 'x'"));
}

TEST_CASE("a control character is a syntax error with its line") {
  const Loaded loaded = load_text("\n[\x01operations]\n");
  REQUIRE(loaded.problems.size() == 1);
  CHECK(loaded.problems[0].where == "k.toml:2");
}

TEST_CASE("unknown keys name the nearest known one, each with its line") {
  const Loaded loaded =
      load_text(toml_plain + "port = 1\ntls = { certifcate = \"x\" }\n[limit]\n[engine]\nworker = 1\n");
  CHECK(loaded.problems.size() == 4);
  CHECK(holds(loaded.problems, "k.toml:9", "did you mean ports?"));
  CHECK(holds(loaded.problems, "k.toml:10", "did you mean certificate?"));
  CHECK(holds(loaded.problems, "k.toml:11", "did you mean limits?"));
  CHECK(holds(loaded.problems, "k.toml:13", "did you mean workers?"));
}

TEST_CASE("a value of the wrong type says what to write") {
  CHECK(holds(load_text(toml_plain + "min_broker_id = 1.5\n").problems, "k.toml:9", "write a whole number"));
  CHECK(holds(load_text(toml_plain + "routing = 1\n").problems, "k.toml:9", "write a string"));
  CHECK(holds(load_text("cluster = 3\n").problems, "k.toml:1", "is not a table"));
}

TEST_CASE("a wrong value is reported once, and not also as missing") {
  std::string text = toml_plain;
  text.replace(text.find("\"6969-6971\""), 11, "69.71");
  CHECK(load_text(text).problems.size() == 1);
  text = toml_plain;
  text.replace(text.find("\"gateway.example.com\""), 21, "7");
  CHECK(load_text(text).problems.size() == 1);
  text = toml_plain;
  text.replace(text.find("gateway.example.com"), 19, "${UNSET}");
  CHECK(load_text(text).problems.size() == 1);
}

TEST_CASE("files from other systems: a byte order mark, CRLF") {
  std::string text = toml_plain;
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2)
    text.replace(at, 1, "\r\n");
  CHECK(all_text(load_text("\xEF\xBB\xBF" + text)) == "");
}

TEST_CASE("${NAME} comes from the environment, and an unset one is an error") {
  std::string text = toml_plain;
  text.replace(text.find("gateway.example.com"), 19, "${HOST_IP}");
  const Loaded loaded = load_text(text, {{"HOST_IP", "10.1.2.3"}});
  CHECK(all_text(loaded) == "");
  CHECK(loaded.config.clusters.at(0).listeners.at(0).advertised_host == "10.1.2.3");
  CHECK(holds(load_text(text).problems, "k.toml:7", "${HOST_IP} is not set"));
}
