#include "kafka/failures.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/counted.h"
#include "base/printable.h"
#include "kafka/api_keys.h"
#include "kafka/api_table.h"
#include "kafka/wire.h"

namespace kferry::kafka {
namespace {

constexpr std::size_t printable_max = 64;

struct Opening {
  std::string_view bytes;
  std::string_view cause;
  std::string_view text;
};

constexpr std::string_view http = "http_request";
constexpr std::string_view http_text =
    "an HTTP request arrived at a Kafka port: health and metrics have their own port (GATEWAY_HTTP_PORT)";

// Read as lengths, they are longer than any request.
constexpr std::array client_openings{
    Opening{
        "\x16\x03", "tls_hello_on_plaintext",
        "a TLS ClientHello arrived at a plaintext port: set the client's security.protocol to PLAINTEXT or "
        "SASL_PLAINTEXT, as the listener has it"},
    Opening{"GET ", http, http_text},
    Opening{"POST", http, http_text},
    Opening{"HEAD", http, http_text},
    Opening{"PUT ", http, http_text},
    Opening{"DELE", http, http_text},
    Opening{"OPTI", http, http_text},
    Opening{"PATC", http, http_text},
    Opening{"TRAC", http, http_text},
    Opening{"CONN", http, http_text},
    Opening{"PRI ", http, http_text},
    Opening{"PROX", "proxy_protocol_header",
            "a PROXY protocol header arrived that the listener does not accept from this address: set "
            "proxy_protocol and proxy_protocol_from on it, or switch the header off in the load balancer"},
    Opening{"\r\n\r\n", "proxy_protocol_header",
            "a PROXY protocol header arrived that the listener does not accept from this address: set "
            "proxy_protocol and proxy_protocol_from on it, or switch the header off in the load balancer"},
    Opening{"SSH-", "ssh_on_kafka_port", "an SSH client connected to a Kafka port"},
};

constexpr std::array broker_openings{
    Opening{
        "\x15\x03", "tls_answer_on_plaintext",
        "the broker answered in TLS, so its listener is SSL or SASL_SSL: use its plaintext port, or set the "
        "upstream's security protocol accordingly"},
    Opening{
        "\x16\x03", "tls_answer_on_plaintext",
        "the broker answered in TLS, so its listener is SSL or SASL_SSL: use its plaintext port, or set the "
        "upstream's security protocol accordingly"},
    Opening{"HTTP", "http_answer", "an HTTP server answered: the upstream's port is not a Kafka listener"},
    Opening{"SSH-", "ssh_answer", "an SSH server answered: the upstream's port is not a Kafka listener"},
};

FailurePtr named_by(std::span<const Opening> openings, std::span<const std::byte, 4> first) {
  const std::string_view text(reinterpret_cast<const char*>(first.data()), first.size());
  for (const Opening& opening : openings)
    if (text.starts_with(opening.bytes)) return make_failure(opening.cause, std::string(opening.text));
  return nullptr;
}

std::string client_text(const Conversation& conversation) {
  if (conversation.client_software.empty()) return "the client";
  return std::string("client software ").append(conversation.client_software.view());
}

}  // namespace

FailurePtr make_failure(std::string_view cause, std::string text) {
  return std::make_unique<Failure>(Failure{cause, std::move(text)});
}

const Failure& no_failure() {
  static const Failure none;
  return none;
}

std::string api_text(ApiKey key, ApiVersion version) {
  std::string text(api_name(key));
  if (number(key) < 0 || number(key) > newest_api_key) text.append(" ").append(std::to_string(number(key)));
  return text.append(" v").append(std::to_string(version));
}

std::string printable(std::string_view text) {
  std::string result = printable_ascii(text, printable_max);
  std::ranges::replace(result, ' ', '?');
  return result;
}

FailurePtr foreign_client(std::span<const std::byte, 4> first) {
  return named_by(client_openings, first);
}

FailurePtr foreign_broker(std::span<const std::byte, 4> first) {
  return named_by(broker_openings, first);
}

FailurePtr malformed(ApiKey key, ApiVersion version, std::string_view side, const StructureWalker& walker) {
  return make_failure(
      "malformed_frame",
      api_text(key, version) + " " + std::string(side) + ", byte " + std::to_string(walker.position()) +
          ": " + std::string(walker.failed_field()) + " " + walker.failed_why() +
          (side == "response" ? ": is the upstream a Kafka broker?" : ": is the client a Kafka client?"));
}

FailurePtr held_part_too_large(ApiKey key, ApiVersion version, std::size_t size_max,
                               std::size_t entries_max) {
  return make_failure("held_part_too_large",
                      api_text(key, version) + " response: its addresses take more than " +
                          counted(size_max, "byte") + ", or are more than " + std::to_string(entries_max) +
                          ": raise held_size_bytes if the cluster is so large");
}

FailurePtr rewritten_too_large(ApiKey key, ApiVersion version, std::size_t size_max) {
  return make_failure("rewritten_too_large",
                      api_text(key, version) +
                          " response: with the addresses that clients dial, it takes more than " +
                          counted(size_max, "byte") +
                          ": raise held_size_bytes if the cluster is so large, or advertise a shorter name");
}

FailurePtr hidden_api(ApiKey key, ApiVersion version, const Conversation& conversation) {
  if (used_by_controllers_only(key)) {
    return make_failure("hidden_api_key", client_text(conversation) + " sent " + api_text(key, version) +
                                              ", which only controllers use: kferry serves clients, not "
                                              "brokers or controllers");
  }
  return make_failure("hidden_api_key",
                      client_text(conversation) + " sent API key " + std::to_string(number(key)) + " v" +
                          std::to_string(version) +
                          ", which this build does not know and which may carry broker addresses: update "
                          "kferry, or let the key pass with pass_api_keys = [" +
                          std::to_string(number(key)) + "]");
}

FailurePtr version_outside_table(ApiKey key, ApiVersion version, const Conversation& conversation) {
  const Versions known = find_api(key)->versions;
  const bool above = version > known.to;
  return make_failure(
      above ? "version_above_table" : "version_below_table",
      client_text(conversation) + " sent " + api_text(key, version) + "; kferry forwards versions " +
          std::to_string(known.from) + " to " + std::to_string(known.to) +
          " and offers only those in ApiVersions: " +
          (above ? "update kferry, or have the client send ApiVersions first" : "update the client"));
}

}  // namespace kferry::kafka
