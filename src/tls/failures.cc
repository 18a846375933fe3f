#include "tls/failures.h"

#include <wolfssl/options.h>
// The options come first: they decide the layout of what the others declare.
#include <wolfssl/error-ssl.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include <algorithm>
#include <array>

#include "base/secret.h"
#include "tls/library_errors.h"

namespace kferry::tls {
namespace {

using namespace std::string_view_literals;

struct Beginning {
  std::string_view bytes;
  std::string_view cause;
  std::string_view what;
};
constexpr std::array beginnings{
    Beginning{"GET ", "http_on_tls", "plain HTTP"},
    Beginning{"POST", "http_on_tls", "plain HTTP"},
    Beginning{"PUT ", "http_on_tls", "plain HTTP"},
    Beginning{"HEAD", "http_on_tls", "plain HTTP"},
    Beginning{"OPTI", "http_on_tls", "plain HTTP"},
    Beginning{"CONN", "http_on_tls", "plain HTTP"},
    Beginning{"PRI ", "http_on_tls", "plain HTTP/2"},
    Beginning{"HTTP", "http_on_tls", "plain HTTP"},
    Beginning{"SSH-", "ssh_on_tls", "SSH"},
    Beginning{"PROX", "proxy_protocol_on_tls", "a PROXY protocol header"},
    Beginning{"\r\n\r\n", "proxy_protocol_on_tls", "a PROXY protocol header"},
};

std::string printable_hex(std::span<const std::byte> bytes) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    if (!text.empty()) text += ' ';
    text += digits[std::to_integer<unsigned>(byte) >> 4];
    text += digits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

// A Kafka frame begins with its length, whose first byte is 0 in requests below 16 MiB.
bool like_kafka(std::span<const std::byte> first) {
  return std::to_integer<unsigned>(first[0]) <= 6;
}

Failure refused_certificate(const Breakdown& b) {
  const std::string name(alert_name(*b.alert));
  if (b.remote == Remote::broker && !b.has_identity) {
    return {"client_certificate_required", "the broker refuses kferry, which has no client certificate (" +
                                               name + "): configure a key store for the upstream"};
  }
  if (b.remote == Remote::client) {
    return {"certificate_refused",
            "the client refuses this listener's certificate (" + name +
                "): its trust store needs the authority that signed it, and the chain must be complete"};
  }
  return {"client_certificate_refused", "the broker refuses kferry's client certificate (" + name +
                                            "): sign it by an authority in the broker's trust store"};
}

Failure by_alert(const Breakdown& b) {
  const std::string said =
      who(b.remote) + " ended the handshake with the alert " + std::string(alert_name(*b.alert));
  switch (*b.alert) {
    case Alert::bad_certificate:
    case Alert::unsupported_certificate:
    case Alert::certificate_revoked:
    case Alert::certificate_expired:
    case Alert::certificate_unknown:
    case Alert::unknown_ca:
      return refused_certificate(b);
    case Alert::certificate_required:
      return {"client_certificate_required",
              said + ": it requires a client certificate, so configure a key store for the upstream"};
    // The certificate itself was accepted.
    case Alert::decrypt_error:
      return {
          "alert_received",
          said +
              ": it could not verify the signature or the Finished of kferry's handshake, so the bytes were "
              "altered on the way"};
    case Alert::bad_record_mac:
      return {"alert_received", said + ": what kferry sent was damaged or altered on the way"};
    case Alert::internal_error:
    case Alert::access_denied:
      return {"alert_received", said + ": its log gives the reason"};
    case Alert::protocol_version:
      return {"no_common_version",
              said + ": the two sides have no TLS version in common; kferry speaks 1.2 and 1.3"};
    case Alert::handshake_failure:
    case Alert::insufficient_security:
      return {"no_common_cipher",
              said + ": most likely no cipher or curve is common to both sides" +
                  (b.remote == Remote::broker ? ", or it requires a client certificate" : "")};
    case Alert::unrecognized_name:
      return {"server_name_refused", said + ": it serves no such name"};
    default:
      return {"alert_received", said};
  }
}

// Words wolfSSL's objection to a certificate that the verdict accepts.
std::string library_objection(int error, Remote remote) {
  switch (error) {
    case RSA_KEY_SIZE_E:
    case ECC_KEY_SIZE_E:
      return "has a key that is too short for TLS here: reissue it with RSA of 2048 bits or P-256";
    case KEYUSE_SIGNATURE_E:
    case KEYUSE_ENCIPHER_E:
      return "is not meant for this use: its key usage lacks digitalSignature";
    case EXTKEYUSE_AUTH_E:
      return std::string("is not meant for this use: its extended key usage lacks ") +
             (remote == Remote::client ? "clientAuth" : "serverAuth");
    case MAX_CHAIN_ERROR:
      return "comes with too many certificates: at most " + std::to_string(x509::chain_size_max) +
             " are read";
    case ASN_CRIT_EXT_E:
      return "or one on its path has a critical extension that the TLS library does not know";
    default:
      return std::string("or one on its path cannot be used by the TLS library: ") +
             wolfSSL_ERR_reason_error_string(static_cast<unsigned long>(error));
  }
}

Failure by_certificate(const Breakdown& b) {
  std::string text = b.remote == Remote::client ? "the client's certificate " : "the broker's certificate ";
  if (!b.certificate_subject.empty()) text.append("of ").append(b.certificate_subject).append(" ");
  if (!b.objection.cause.empty()) return {b.objection.cause, text + b.objection.text};
  return {"certificate_invalid", text + library_objection(b.certificate_error, b.remote)};
}

// Whether this is an error of decoding the leaf, which wolfSSL does before any verdict: of ASN.1 or of a key.
bool cannot_decode_certificate(int error) {
  return (error <= ASN_PARSE_E && error >= ASN_ALT_NAME_E) || error == ASN_ECC_KEY_E ||
         error == ECC_CURVE_OID_E || error == ECC_BAD_ARG_E || error == ALT_NAME_E ||
         error == ASN_NAME_INVALID_E;
}

}  // namespace

std::optional<Failure> not_tls(std::span<const std::byte> first, Remote remote, bool ended) {
  if (first.empty() || (first.size() < 4 && !ended)) return std::nullopt;
  const std::string_view text = text_of(first.first(std::min<std::size_t>(first.size(), 4)));
  for (const Beginning& beginning : beginnings) {
    if (text != beginning.bytes) continue;
    std::string words = who(remote) + " speaks " + std::string(beginning.what) + " where TLS is expected: ";
    words += beginning.cause == "proxy_protocol_on_tls"
                 ? "set proxy_protocol on the listener, or switch it off at the load balancer"
             : remote == Remote::client ? "this is a Kafka port with TLS; point the client elsewhere"
                                        : "the bootstrap address is not the TLS port of a Kafka broker";
    return Failure{beginning.cause, std::move(words)};
  }
  if (like_kafka(first)) {
    if (remote == Remote::client) {
      return Failure{
          "plaintext_on_tls",
          "the client speaks plaintext Kafka to a TLS port: set its security.protocol to SSL or SASL_SSL"};
    }
    return Failure{"plaintext_on_tls",
                   "the broker answers TLS with plaintext Kafka: this is its PLAINTEXT or "
                   "SASL_PLAINTEXT port, so set the upstream's security protocol to that"};
  }
  if (std::to_integer<unsigned>(first[0]) == 0x80 && remote == Remote::client) {
    return Failure{"no_common_version", "the client sends an SSL 2 hello: it must speak TLS 1.2 or 1.3"};
  }
  return Failure{"not_tls", who(remote) + " does not speak TLS: its first bytes are " +
                                printable_hex(first.first(std::min<std::size_t>(first.size(), 4)))};
}

Failure failure_of(const Breakdown& b) {
  if (!b.objection.cause.empty() || b.certificate_error != 0) return by_certificate(b);
  if (b.alert) {
    if (b.handshaking) return by_alert(b);
    // In TLS 1.3 a client judges the server's certificate, and a server the client's, after the other's handshake is
    // done.
    switch (*b.alert) {
      case Alert::bad_certificate:
      case Alert::certificate_revoked:
      case Alert::certificate_expired:
      case Alert::certificate_unknown:
      case Alert::unknown_ca:
        return refused_certificate(b);
      case Alert::certificate_required:
        return by_alert(b);
      default:
        return {"alert_received",
                who(b.remote) + " ended the connection with the alert " + std::string(alert_name(*b.alert))};
    }
  }
  switch (b.error) {
    case NO_PEER_CERT:
      return {
          "client_certificate_missing",
          "the client sent no certificate, and this listener requires one: configure the client's key store"};
    case VERSION_ERROR:
    case UNSUPPORTED_PROTO_VERSION:
      return {
          "no_common_version",
          who(b.remote) + " and kferry share no TLS version" +
              (b.highest_version != 0 && b.highest_version < 0x0303
                   ? ": the client offers at most " +
                         (b.highest_version < 0x0301 ? std::string("SSL 3")
                                                     : "TLS 1." + std::to_string(b.highest_version - 0x0301))
                   : std::string()) +
              "; kferry speaks 1.2 and 1.3, within what is configured"};
    case WOLFSSL_ERROR_SYSCALL:  // what wolfSSL 5.9 returns instead of the next one; no system call is involved
    case MATCH_SUITE_ERROR:
    case UNSUPPORTED_SUITE:
    case ECC_CURVE_ERROR:
    case BAD_KEY_SHARE_DATA:
      return {"no_common_cipher", who(b.remote) +
                                      " and kferry share no cipher suite, curve and signature: widen "
                                      "what is configured, or use a certificate with another kind of key"};
    case HANDSHAKE_SIZE_ERROR:
      return {"handshake_message_too_long",
              who(b.remote) + " sent a TLS handshake message of more than " +
                  std::to_string(MAX_HANDSHAKE_SZ) + " bytes: " +
                  (b.remote == Remote::client
                       ? "its certificate or chain is too long"
                       : "its certificate or chain is too long, or it names too many authorities "
                         "to choose a client certificate by")};
    case ECC_PEERKEY_ERROR:
      return {"tls_point_off_curve",
              who(b.remote) +
                  " sent a key share that is not a point of its curve: its TLS library is broken, or this "
                  "is an attack"};
    case VERIFY_MAC_ERROR:
    case DECRYPT_ERROR:
    case AES_GCM_AUTH_E:
    case MAC_CMP_FAILED_E:
      return forged_record(b.remote);
    case MAX_CHAIN_ERROR:
      return {"chain_too_long", who(b.remote) + " sent more than " + std::to_string(x509::chain_size_max) +
                                    " certificates: have it send only its chain"};
    case MEMORY_E:
    case MEMORY_ERROR:
      return {"memory_exhausted", "kferry has no memory left for the TLS state of this connection"};
    default:
      break;
  }
  if (b.handshaking && cannot_decode_certificate(b.error)) {
    return {"certificate_malformed", who(b.remote) + " sent a certificate " + certificate_words(b.error)};
  }
  return {b.handshaking ? "handshake_failed" : "record_malformed",
          (b.handshaking ? "the TLS handshake with " : "TLS with ") + who(b.remote) +
              " failed: " + library_words(b.error)};
}

Failure ended_early(Remote remote, bool handshaking, bool heard_anything) {
  if (!handshaking) {
    return {"truncated",
            who(remote) + " ended the stream without close_notify: what came last may be cut off"};
  }
  if (remote == Remote::broker && !heard_anything) {
    return {
        "no_tls_answer",
        "the broker closed at the first bytes of TLS: most likely this is its PLAINTEXT or SASL_PLAINTEXT "
        "port"};
  }
  return {"handshake_cut", who(remote) + " closed in the middle of the TLS handshake"};
}

}  // namespace kferry::tls
