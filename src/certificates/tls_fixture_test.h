// Shared by the tests of TLS contexts: a configuration of one listener and one upstream with TLS, with files that the
// test may change; certificates made with openssl; and a log to wait for.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <expected>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "certificates/tls_contexts.h"
#include "config/load.h"
#include "x509/authority_test.h"

namespace kferry::certificates {

class Lines final : public LogSink {
 public:
  void write(const LogEvent& event) noexcept override {
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::string(event.cause) + " " + event.text);
    written_.notify_all();
  }
  bool has(const std::string& cause, const std::string& part) const {
    const std::lock_guard lock(mutex_);
    return holds(cause, part);
  }
  // Waits for such a line. False after the time-out.
  bool comes(const std::string& cause, const std::string& part, std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    return written_.wait_for(lock, patience, [&] { return holds(cause, part); });
  }
  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return lines_.size();
  }

 private:
  bool holds(const std::string& cause, const std::string& part) const {
    return std::ranges::any_of(lines_, [&](const std::string& line) {
      return line.starts_with(cause + " ") && line.find(part) != std::string::npos;
    });
  }
  mutable std::mutex mutex_;
  std::condition_variable written_;
  std::vector<std::string> lines_;
};

// One authority with two leaves, made once.
struct Made {
  x509::Authority authority;
  Made() {
    authority.issue("one", {.subject = "/CN=one.example", .names = "DNS:one.example,DNS:*.k.example"});
    authority.issue("two", {.subject = "/CN=two.example"});
    authority.folder().run(
        "openssl pkcs12 -export -inkey one.key -in one.crt -certfile ca.crt -out one.p12 -passout "
        "pass:store-pw");
    authority.issue("old", {.subject = "/CN=old.example",
                            .dates = "-startdate 20200101000000Z -enddate 20210101000000Z"});
    authority.issue("brief", {.subject = "/CN=brief.example", .dates = "-days 5"});
    authority.issue("later",
                    {.subject = "/CN=later.example", .dates = "-startdate " + stamp(1) + " -days 20"});
  }

  // The start of the day `days` days from now, in the form of openssl ca.
  static std::string stamp(int days) {
    const std::time_t at = std::time(nullptr) + days * 86400;
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), "%Y%m%d%H%M%SZ", std::gmtime(&at));
    return text.data();
  }
};
inline const x509::Folder& made() {
  static const Made once;
  return once.authority.folder();
}

// A configuration of one TLS listener and one TLS upstream, with files in a temporary folder.
struct Fixture {
  x509::Folder folder;
  Lines log;
  std::shared_ptr<const config::Config> config;
  std::map<std::string, std::string> variables{{"KAFKA_BOOTSTRAP_SERVERS", "kafka1:9092"},
                                               {"KAFKA_SECURITY_PROTOCOL", "SSL"},
                                               {"KAFKA_SSL_TRUSTSTORE_LOCATION", folder / "ca.crt"},
                                               {"GATEWAY_LISTENER_NAMES", "external"},
                                               {"GATEWAY_LISTENER_EXTERNAL_PORTS", "6969-6971"},
                                               {"GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST", "one.example"},
                                               {"GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL", "SSL"},
                                               {"GATEWAY_SSL_KEY_STORE_PATH", folder / "server.p12"},
                                               {"GATEWAY_SSL_KEY_STORE_PASSWORD", "store-pw"}};

  Fixture() {
    copy("ca.crt", "ca.crt");
    copy("one.p12", "server.p12");
  }

  void copy(const std::string& from, const std::string& to) { folder.write(to, made().text(from)); }
  void pem(const std::string& name, const std::string& to) {
    folder.write(to, made().text(name + ".crt") + made().text(name + ".key"));
  }

  TlsContexts contexts() {
    config::Sources sources;
    sources.environment = variables;
    sources.read_file = [](const std::string& path) -> std::expected<std::string, std::string> {
      std::ifstream file(path, std::ios::binary);
      if (!file) return std::unexpected(std::string("No such file"));
      return std::string{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    };
    config::Loaded loaded = config::load(sources);
    for (const config::Problem& problem : loaded.problems) MESSAGE(to_string(problem));
    REQUIRE(loaded.ok());
    config = std::make_shared<const config::Config>(std::move(loaded.config));
    return TlsContexts(config, log, Instant{});
  }
};

}  // namespace kferry::certificates
