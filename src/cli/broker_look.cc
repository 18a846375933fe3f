#include "cli/broker_look.h"

#include <algorithm>
#include <expected>
#include <span>
#include <utility>
#include <vector>

#include "base/printable.h"
#include "base/secret.h"
#include "cli/broker_connection.h"
#include "kafka/error_codes.h"
#include "proxy/sasl_client.h"

namespace kferry::cli {
namespace {

using Clock = std::chrono::steady_clock;
using proxy::SaslClient;

constexpr ApiVersion authenticate_version = 0;
constexpr Duration longest = std::chrono::hours(24);

class Look {
 public:
  explicit Look(const LookOptions& options) : options_(options) {}

  BrokerLook run(const SocketAddress& address, const HostPort& name) {
    look_.address = address.text();
    const auto opened = broker_.open(address, name, options_.tls, options_.timeout, left());
    if (!opened) {
      fail(opened.error());
      return std::move(look_);
    }
    look_.connect_time = opened->connect_time;
    look_.tls = printable_ascii(opened->tls);
    if (ask_versions() && options_.asks_metadata) {
      look_.metadata_failure = authenticate();
      if (look_.metadata_failure.empty()) ask_metadata();
    }
    return std::move(look_);
  }

 private:
  // Of the whole look.
  Duration left() const {
    return std::clamp<Duration>(options_.until - Clock::now(), std::chrono::milliseconds(1), longest);
  }

  std::expected<std::vector<std::byte>, BrokerConnection::Failure> ask(std::span<const std::byte> request) {
    return broker_.ask(request, std::min(options_.timeout, left()));
  }

  void fail(const BrokerConnection::Failure& failure) {
    look_.failure = printable_ascii(failure.text);
    look_.tls_cause = failure.tls_cause;
  }

  bool ask_versions() {
    const auto asked_at = Clock::now();
    const CorrelationId id = next();
    const auto frame = ask(kafka::encode_api_versions(id, options_.client_id));
    look_.answer_time = Clock::now() - asked_at;
    if (!frame) {
      fail(frame.error());
      return false;
    }
    const auto versions = kafka::decode_api_versions(*frame, id);
    if (!versions) {
      look_.failure = versions.error().text;
    } else if (versions->error != 0) {
      look_.failure = "ApiVersions was answered " + kafka::error_name(versions->error);
    } else {
      look_.apis = versions->ranges.size();
    }
    return look_.failure.empty();
  }

  // Empty: done, or nothing to do.
  std::string authenticate() {
    if (options_.sasl == nullptr) return {};
    auto made = SaslClient::make(*options_.sasl);
    if (!made) return made.error();
    SaslClient client = std::move(*made);
    const CorrelationId id = next();
    const auto frame = ask(kafka::encode_sasl_handshake(id, options_.client_id, client.mechanism()));
    if (!frame) return printable_ascii(frame.error().text);
    const auto answer = kafka::decode_sasl_handshake(*frame, id);
    if (!answer) return answer.error().text;
    if (answer->error != 0)
      return "SASL mechanism " + client.mechanism() + ": " + kafka::error_name(answer->error);
    SaslClient::Step step = client.start();
    for (;;) {
      switch (step.outcome) {
        case SaslClient::Outcome::done:
          return {};
        case SaslClient::Outcome::failed:
          return printable_ascii(step.failure);
        case SaslClient::Outcome::derive:
          step = client.on_derived(proxy::derive_key(*step.order));
          break;
        case SaslClient::Outcome::send: {
          const auto challenge = send_token(step.token);
          if (!challenge) return challenge.error();
          step = client.on_challenge(*challenge);
          break;
        }
      }
    }
  }

  // Wipes the token.
  std::expected<std::vector<std::byte>, std::string> send_token(std::vector<std::byte>& token) {
    const CorrelationId id = next();
    std::vector<std::byte> request =
        kafka::encode_sasl_authenticate(id, options_.client_id, authenticate_version, token);
    wipe(token);
    const auto frame = ask(request);
    wipe(request);
    if (!frame) return std::unexpected(printable_ascii(frame.error().text));
    auto answer = kafka::decode_sasl_authenticate(*frame, id, authenticate_version);
    if (!answer) return std::unexpected(answer.error().text);
    if (answer->error != 0) {
      const bool refused = answer->error == kafka::error_sasl_authentication_failed;
      return std::unexpected(kafka::error_name(answer->error) +
                             (refused ? ": check user name and password" : ""));
    }
    return std::move(answer->token);
  }

  void ask_metadata() {
    const CorrelationId id = next();
    const auto frame = ask(kafka::encode_metadata(id, options_.client_id));
    if (!frame) {
      look_.metadata_failure = printable_ascii(frame.error().text);
      return;
    }
    auto metadata = kafka::decode_metadata(*frame, id);
    if (metadata) {
      look_.metadata = std::move(*metadata);
    } else {
      look_.metadata_failure = metadata.error().text;
    }
  }

  CorrelationId next() { return CorrelationId{++correlation_id_}; }

  const LookOptions& options_;
  BrokerConnection broker_;
  BrokerLook look_;
  std::int32_t correlation_id_ = 0;
};

}  // namespace

BrokerLook look_at(const SocketAddress& address, const HostPort& name, const LookOptions& options) {
  return Look(options).run(address, name);
}

}  // namespace kferry::cli
