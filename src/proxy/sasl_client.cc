#include "proxy/sasl_client.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/assert.h"
#include "base/printable.h"

namespace kferry::proxy {
namespace {

// "n,," (no channel binding, no authorization id) and its base64, which the proof repeats.
constexpr std::string_view gs2_header = "n,,";
constexpr std::string_view gs2_header_base64 = "biws";
constexpr std::size_t nonce_size = 24;
// Longer messages are no SCRAM of a Kafka broker's.
constexpr std::size_t message_size_max = 16 * 1024;
// What a failure quotes of the configuration's text, at most.
constexpr std::size_t shown_max = 200;

std::vector<std::byte> to_bytes(std::string_view text) {
  const auto bytes = bytes_of(text);
  return {bytes.begin(), bytes.end()};
}

std::string random_nonce() {
  std::array<std::byte, nonce_size> bytes{};
  tls::random_bytes(bytes);
  return tls::base64(bytes);  // its alphabet has no ','
}

// RFC 5802: in a name ',' and '=' are written "=2C" and "=3D".
std::string escaped_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == ',') {
      out += "=2C";
    } else if (c == '=') {
      out += "=3D";
    } else {
      out += c;
    }
  }
  return out;
}

// SASLprep (RFC 4013) of printable ASCII is the identity; other characters go as they are, as Kafka's own
// client and broker send and store them. Control characters are prohibited output there, and no password has
// them on purpose: they are a stray line end of a secret's file.
bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
  });
}

// Takes "x=value" up to the next ',' off the front of `rest`; nullopt if another attribute comes first.
std::optional<std::string_view> take(std::string_view& rest, char attribute) {
  if (rest.size() < 2 || rest[0] != attribute || rest[1] != '=') return std::nullopt;
  const std::size_t comma = std::min(rest.find(','), rest.size());
  const std::string_view value = rest.substr(2, comma - 2);
  rest.remove_prefix(std::min(comma + 1, rest.size()));
  return value;
}

// A server's error in words of RFC 5802, section 7. Any other text is the server's own and may hold a secret.
std::string error_shown(std::string_view error) {
  static constexpr std::array<std::string_view, 11> known{"invalid-encoding",
                                                          "extensions-not-supported",
                                                          "invalid-proof",
                                                          "channel-bindings-dont-match",
                                                          "server-does-support-channel-binding",
                                                          "channel-binding-not-supported",
                                                          "unsupported-channel-binding-type",
                                                          "unknown-user",
                                                          "invalid-username-encoding",
                                                          "no-resources",
                                                          "other-error"};
  error = error.substr(0, error.find(','));
  return std::ranges::find(known, error) != known.end() ? std::string(error)
                                                        : "in its own words, which are not shown";
}

}  // namespace

std::expected<SaslClient, std::string> SaslClient::make(const config::SaslCredentials& credentials,
                                                        NonceSource nonce) {
  SaslClient client;
  if (credentials.mechanism == "SCRAM-SHA-256") {
    client.hash_ = tls::Hash::sha256;
  } else if (credentials.mechanism == "SCRAM-SHA-512") {
    client.hash_ = tls::Hash::sha512;
  } else if (credentials.mechanism != "PLAIN") {
    return std::unexpected(
        "discovery cannot use SASL mechanism " + printable_ascii(credentials.mechanism, shown_max) +
        ": configure PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 credentials, or none (the topology is "
        "then learnt from clients)");
  }
  if (credentials.username.empty()) return std::unexpected("the SASL user name is empty");
  if (credentials.password.empty()) return std::unexpected("the SASL password is empty");
  if (has_control(credentials.username)) return std::unexpected("the SASL user name has a control character");
  if (has_control(credentials.password)) {
    return std::unexpected("the SASL password has a control character: is there a line end in its file?");
  }
  client.mechanism_ = credentials.mechanism;
  client.username_ = credentials.username;
  client.password_ = credentials.password;
  client.nonce_source_ = nonce ? std::move(nonce) : random_nonce;
  return client;
}

SaslClient::~SaslClient() {
  wipe(password_);
}

SaslClient::Step SaslClient::fail(std::string why) {
  state_ = State::failed;
  wipe(password_);
  return {.outcome = Outcome::failed, .token = {}, .failure = std::move(why)};
}

SaslClient::Step SaslClient::start() {
  KFERRY_ASSERT(state_ == State::initial);
  if (!hash_) {
    state_ = State::sent_password;
    std::vector<std::byte> token;
    token.reserve(2 + username_.size() +
                  password_.size());  // never moved: no copy of the password stays behind
    const auto append = [&](std::string_view text) {
      for (const char c : text) token.push_back(static_cast<std::byte>(c));
    };
    token.push_back(std::byte{});
    append(username_);
    token.push_back(std::byte{});
    append(password_);
    wipe(password_);
    return {.outcome = Outcome::send, .token = std::move(token), .failure = {}};
  }
  state_ = State::sent_first;
  nonce_ = nonce_source_();
  client_first_bare_ = "n=" + escaped_name(username_) + ",r=" + nonce_;
  return {.outcome = Outcome::send,
          .token = to_bytes(std::string(gs2_header) + client_first_bare_),
          .failure = {}};
}

SaslClient::Step SaslClient::on_challenge(std::span<const std::byte> challenge) {
  if (challenge.size() > message_size_max) return fail("the broker's SASL answer is too long");
  const std::string_view message(reinterpret_cast<const char*>(challenge.data()), challenge.size());
  switch (state_) {
    case State::sent_password:
      state_ = State::done;
      if (!message.empty()) return fail("the broker answered SASL PLAIN with a challenge");
      return {.outcome = Outcome::done, .token = {}, .failure = {}};
    case State::sent_first:
      return on_server_first(message);
    case State::sent_proof:
      return on_server_final(message);
    case State::initial:
    case State::deriving:
    case State::done:
    case State::failed:
      break;
  }
  return fail("the broker sent an unexpected SASL answer");
}

SaslClient::Step SaslClient::on_server_first(std::string_view message) {
  std::string_view rest = message;
  if (message.starts_with("e=")) return fail("the broker refused SCRAM: " + error_shown(message.substr(2)));
  // An "m=" (mandatory extension) in front, which RFC 5802 says must fail, fails here too.
  const auto nonce = take(rest, 'r');
  const auto salt_text = take(rest, 's');
  const auto iterations_text = take(rest, 'i');
  if (!nonce || !salt_text || !iterations_text) return fail("the broker's first SCRAM message is malformed");
  if (nonce->size() <= nonce_.size() || !nonce->starts_with(nonce_)) {
    return fail("the broker's SCRAM nonce does not extend ours: something between answers in its place");
  }
  const auto salt = tls::parse_base64(*salt_text);
  if (!salt || salt->empty()) return fail("the broker's SCRAM salt is not base64");
  std::uint32_t iterations = 0;
  const char* const end = iterations_text->data() + iterations_text->size();
  const auto [parsed, error] = std::from_chars(iterations_text->data(), end, iterations);
  if (error != std::errc{} || parsed != end)
    return fail("the broker's count of SCRAM iterations is not a number, or far too large");
  if (iterations < scram_iterations_min || iterations > scram_iterations_max) {
    return fail("the broker asks for " + std::to_string(iterations) + " SCRAM iterations; " +
                std::to_string(scram_iterations_min) + " to " + std::to_string(scram_iterations_max) +
                " are accepted");
  }

  state_ = State::deriving;
  server_first_ = message;
  without_proof_ = "c=" + std::string(gs2_header_base64) + ",r=" + std::string(*nonce);
  KeyOrder order{*hash_, Secret(bytes_of(password_)), *salt, iterations};
  wipe(password_);
  return {.outcome = Outcome::derive, .token = {}, .failure = {}, .order = std::move(order)};
}

SaslClient::Step SaslClient::on_derived(const tls::Digest& salted) {
  KFERRY_ASSERT(state_ == State::deriving);
  const tls::Digest client_key = tls::hmac(*hash_, salted.bytes(), bytes_of("Client Key"));
  const tls::Digest stored_key = tls::digest(*hash_, client_key.bytes());
  const tls::Digest server_key = tls::hmac(*hash_, salted.bytes(), bytes_of("Server Key"));
  const std::string signed_text = client_first_bare_ + "," + server_first_ + "," + without_proof_;
  tls::Digest proof = tls::hmac(*hash_, stored_key.bytes(), bytes_of(signed_text));
  for (std::size_t i = 0; i < proof.bytes().size(); ++i) proof.bytes()[i] ^= client_key.bytes()[i];
  server_signature_ = tls::hmac(*hash_, server_key.bytes(), bytes_of(signed_text));
  state_ = State::sent_proof;
  return {.outcome = Outcome::send,
          .token = to_bytes(without_proof_ + ",p=" + tls::base64(proof.bytes())),
          .failure = {}};
}

SaslClient::Step SaslClient::on_server_final(std::string_view message) {
  if (message.starts_with("e=")) {
    return fail("the broker refused SCRAM: " + error_shown(message.substr(2)) +
                ": check user name and password");
  }
  std::string_view rest = message;
  const auto verifier = take(rest, 'v');
  const auto signature = verifier ? tls::parse_base64(*verifier) : std::nullopt;
  if (!signature) return fail("the broker's final SCRAM message is malformed");
  if (!equal_constant_time(*signature, server_signature_->bytes())) {
    return fail(
        "the broker's SCRAM signature is wrong: it does not know the password, something answers in its "
        "place");
  }
  state_ = State::done;
  return {.outcome = Outcome::done, .token = {}, .failure = {}};
}

}  // namespace kferry::proxy
