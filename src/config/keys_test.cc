#include "config/keys.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <limits>
#include <set>
#include <string>

#include "config/loading_test.h"

using namespace kferry;
using namespace kferry::config;

namespace {

// What load() says of a key that is the only one of a file.
Loaded load_key(const Key& key, const std::string& value) {
  return load_text(std::string(title_of(key.table)) + "\n" + std::string(key.name) + " = " + value + "\n");
}
bool complains(const Loaded& loaded, std::string_view name) {
  return std::ranges::any_of(loaded.problems, [&](const Problem& problem) {
    return problem.what.find(name) != std::string::npos ||
           problem.what.find("wrong type") != std::string::npos;
  });
}
bool exists_once(Table table) {
  return table == Table::engine || table == Table::tls || table == Table::limits ||
         table == Table::operations;
}

}  // namespace

TEST_CASE("every table has keys, and no key or variable occurs twice") {
  std::set<std::pair<Table, std::string_view>> names;
  std::set<std::string> variables;
  std::size_t count = 0;
  for (std::size_t i = 0; i < table_count; ++i) {
    const auto keys = keys_of(static_cast<Table>(i));
    CHECK_FALSE(keys.empty());
    count += keys.size();
    for (const Key& key : keys) {
      CAPTURE(key.name);
      CAPTURE(key.own_variable);
      CHECK(key.table == static_cast<Table>(i));
      CHECK(key.name.empty() == (key.table == Table::variables));
      if (!key.name.empty()) CHECK(names.insert({key.table, key.name}).second);
      if (const std::string variable = variable_of(key); !variable.empty())
        CHECK(variables.insert(variable).second);
      CHECK((key.in_file || !key.own_variable.empty()));
    }
  }
  CHECK(count == all_keys().size());
}

TEST_CASE("every meaning is a sentence that fits a line") {
  for (const Key& key : all_keys()) {
    CAPTURE(key.name);
    CHECK(key.meaning.ends_with('.'));
    CHECK(key.meaning.size() <= 110);
  }
}

TEST_CASE("the default of a number is inside its range, that of a choice is one of its words") {
  for (const Key& key : all_keys()) {
    const auto* number = std::get_if<NumberField>(&key.field);
    if (number == nullptr || !key.without.empty()) continue;
    CAPTURE(key.name);
    if (key.words.empty()) {
      CHECK(number->initial() >= key.low);
      CHECK(number->initial() <= key.high);
    } else {
      CHECK(std::ranges::find(key.words, default_of(key)) != key.words.end());
    }
  }
  CHECK(default_of(*find_key(Table::limits, "first_byte_timeout_ms")) == "60000");
  CHECK(default_of(*find_key(Table::engine, "backend")) == "auto");
  CHECK(default_of(*find_key(Table::engine, "pin_workers")) == "off");
  CHECK(default_of(*find_key(Table::upstream, "lend_identity")) == "false");
  CHECK(default_of(*find_key(Table::operations, "audit")) == "off");
  CHECK(default_of(*find_key(Table::listener, "security_protocol")) == "required");
}

TEST_CASE("a default in words agrees with the field that a parser of its own sets") {
  const Operations operations;
  CHECK(default_of(*find_key(Table::operations, "bind")) ==
        to_string(HostPort{operations.bind_host, operations.port}));
  CHECK(default_of(*find_key(Table::operations, "http_bind")) == operations.bind_host);
  CHECK(default_of(*find_key(Table::operations, "log_format")) == "text");
  CHECK(operations.log_format == LogFormat::text);
  CHECK(default_of(*find_key(Table::operations, "log_level")) == "info");
  CHECK(operations.log_level == LogLevel::info);
  CHECK(default_of(*find_key(Table::listener, "bind_address")) == Listener{}.bind_address);
}

TEST_CASE("every integer accepts both ends of its range and nothing beyond") {
  std::size_t seen = 0;
  for (const Key& key : all_keys()) {
    if (key.kind != Kind::integer || !key.in_file || !exists_once(key.table)) continue;
    CAPTURE(key.name);
    ++seen;
    CHECK_FALSE(complains(load_key(key, std::to_string(key.low)), key.name));
    CHECK_FALSE(complains(load_key(key, std::to_string(key.high)), key.name));
    CHECK(complains(load_key(key, std::to_string(key.low - 1)), key.name));
    if (key.high < std::numeric_limits<std::int64_t>::max())
      CHECK(complains(load_key(key, std::to_string(key.high + 1)), key.name));
    CHECK(complains(load_key(key, "true"), key.name));
    CHECK(complains(load_key(key, "\"a few\""), key.name));
  }
  CHECK(seen > 15);
}

TEST_CASE("every choice accepts each of its words in any case and nothing else") {
  std::size_t seen = 0;
  for (const Key& key : all_keys()) {
    if (key.words.empty() || !exists_once(key.table)) continue;
    CAPTURE(key.name);
    ++seen;
    for (const std::string_view word : key.words) {
      std::string capitals(word);
      for (char& c : capitals) c = static_cast<char>(std::toupper(c));
      CHECK_FALSE(complains(load_key(key, "\"" + std::string(word) + "\""), key.name));
      CHECK_FALSE(complains(load_key(key, "\"" + capitals + "\""), key.name));
    }
    CHECK(complains(load_key(key, "\"x\""), key.name));
  }
  CHECK(seen == 7);
}

TEST_CASE("a number out of range is reported with its range and unit") {
  const Loaded loaded = load_key(*find_key(Table::limits, "first_byte_timeout_ms"), "0");
  CHECK(holds(
      loaded.problems, "k.toml:2",
      "first_byte_timeout_ms = '0' is out of range: use a whole number from 1 to 86400000 (milliseconds)"));
}

TEST_CASE("a wrong word is reported with the nearest and with all words") {
  const Loaded loaded = load_key(*find_key(Table::engine, "backend"), "\"io_urin\"");
  CHECK(
      holds(loaded.problems, "k.toml:2",
            "backend = 'io_urin' is not a known value: did you mean io_uring? use auto, io_uring or epoll"));
}

TEST_CASE("a key's variable: by its table's rule or by its row") {
  CHECK(variable_of(*find_key(Table::upstream, "bootstrap_servers")) == "KAFKA_BOOTSTRAP_SERVERS");
  CHECK(variable_of(*find_key(Table::listener, "ports")) == "GATEWAY_LISTENER_<NAME>_PORTS");
  CHECK(variable_of(*find_key(Table::listener, "min_broker_id")) == "GATEWAY_MIN_BROKERID");
  CHECK(variable_of(*find_key(Table::listener_tls, "crl")) == "GATEWAY_SSL_CRL_PATH");
  CHECK(variable_of(*find_key(Table::limits, "keepalive_idle_s")).empty());
  CHECK(find_variable("GATEWAY_SSL_KEY_PASSWORD_FILE")->name == "key_password");
  CHECK(find_variable("GATEWAY_SSL_CRL_PATH_FILE") == nullptr);
  CHECK(find_variable("GATEWAY_HTTP_PORT")->name == "http_port");
}

TEST_CASE("what only a variable sets is unknown in the file") {
  CHECK(holds(load_text("[operations]\nhttp_port = 1\n").problems, "k.toml:2", "unknown key 'http_port'"));
  CHECK(holds(load_text("[cluster.a.listener.x.tls]\nclient_auth = \"NONE\"\n").problems, "k.toml:2",
              "unknown key 'client_auth'"));
}

TEST_CASE("units follow from the names") {
  CHECK(unit_of(*find_key(Table::limits, "first_byte_timeout_ms")) == "milliseconds");
  CHECK(unit_of(*find_key(Table::limits, "keepalive_idle_s")) == "seconds");
  CHECK(unit_of(*find_key(Table::limits, "held_size_bytes")) == "bytes");
  CHECK(unit_of(*find_key(Table::tls, "update_interval_minutes")) == "minutes");
  CHECK(unit_of(*find_key(Table::limits, "keepalive_probes")).empty());
  CHECK(unit_of(*find_key(Table::listener, "bind_address")).empty());
}
