#include "tls/library_errors.h"

#include <wolfssl/options.h>
// The options come first: they decide the layout of what the others declare.
#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include <string_view>

namespace kferry::tls {
namespace {

constexpr std::string_view malformed =
    "it sent a malformed handshake message: its TLS library is broken, or the bytes were altered on the way";

std::string_view words_of(int error) {
  switch (error) {
    case BUFFER_ERROR:
    case BUFFER_E:
    case INCOMPLETE_DATA:
    case BAD_HELLO:
    case DECODE_E:
    case INVALID_PARAMETER:
    case MISSING_HANDSHAKE_DATA:
    case DUPLICATE_TLS_EXT_E:
    case EXT_NOT_ALLOWED:
    case EXT_MISSING:
    case UNSUPPORTED_EXTENSION:
    case HRR_COOKIE_ERROR:
    case KEY_SHARE_ERROR:
    case BAD_BINDER:
    case BAD_KEA_TYPE_E:
    case ECC_CURVETYPE_ERROR:
    case UNKNOWN_MAX_FRAG_LEN_E:
    case SESSION_TICKET_LEN_E:
    case SESSION_TICKET_NONCE_OVERFLOW:
    case BAD_CERTIFICATE_STATUS_ERROR:
    case PSK_KEY_ERROR:
    case BAD_FUNC_ARG:
    case ALGO_ID_E:
      return malformed;
    case UNKNOWN_RECORD_TYPE:
    case PARSE_ERROR:
    case LENGTH_ERROR:
    case SANITY_CIPHER_E:
      return "it sent bytes that are not a valid TLS record: its TLS library is broken, or the bytes were "
             "altered on "
             "the way";
    case OUT_OF_ORDER_E:
    case DUPLICATE_MSG_E:
    case NO_CHANGE_CIPHER_E:
    case SANITY_MSG_E:
    case SIDE_ERROR:
    case UNKNOWN_HANDSHAKE_TYPE:
    case SESSION_TICKET_EXPECT_E:
      return "it sent a handshake message that is not expected at this point: its TLS library is broken, or "
             "this is an "
             "attack";
    case SIG_VERIFY_E:
    case VERIFY_SIGN_ERROR:
    case NO_PEER_VERIFY:
    case MP_VAL:
    case MP_READ_E:
    case RSA_BUFFER_E:
    case RSA_PAD_E:
    case RSA_OUT_OF_RANGE_E:
    case BAD_PADDING_E:
    case PSS_SALTLEN_E:
      return "its signature does not prove that it has the private key of its certificate: the two may not "
             "belong "
             "together, or the bytes were altered on the way";
    case SIG_TYPE_E:
    case HASH_TYPE_E:
      return "it signs by an algorithm that kferry does not accept: have it use ECDSA, Ed25519, or RSA with "
             "SHA-256 and "
             "longer";
    case IS_POINT_E:
    case ECC_INF_E:
    case ECC_OUT_OF_RANGE_E:
    case ECC_SHARED_ERROR:
      return "it sent a key share that is not a point of its curve: its TLS library is broken, or this is an "
             "attack";
    case OPEN_RAN_E:
    case READ_RAN_E:
    case RNG_FAILURE_E:
      return "kferry gets no random bytes from the kernel: allow getrandom in the container's seccomp "
             "profile";
    case VERIFY_FINISHED_ERROR:
      return "its Finished does not match: the handshake was altered on the way";
    case NO_PEER_KEY:
    case PEER_KEY_ERROR:
    case INVALID_CERT_CTX_E:
      return "the key of its certificate cannot be used: reissue the certificate with a key of RSA, EC "
             "(P-256, P-384, "
             "P-521) or Ed25519";
    case RSA_KEY_SIZE_E:
    case ECC_KEY_SIZE_E:
    case WC_KEY_SIZE_E:
      return "the key of its certificate has a length that kferry does not accept: reissue it with RSA of "
             "2048 to 8192 bits or "
             "P-256";
    case UNSUPPORTED_CERTIFICATE:
    case WOLFSSL_BAD_CERTTYPE:
      return "it offers no X.509 certificates, which kferry requires";
    case DH_KEY_SIZE_E:
      return "its Diffie-Hellman group is too small: have it offer ECDHE";
    case INPUT_SIZE_E:
      return "it sent a handshake message that is longer than kferry accepts: shorten its certificate chain, "
             "or the "
             "list of authorities that it names";
    case SECURE_RENEGOTIATION_E:
      return "it asks for a renegotiation, or its renegotiation_info is wrong: kferry never renegotiates";
    case COMPRESSION_ERROR:
      return "it does not offer TLS without compression: its TLS library is broken, or the bytes were "
             "altered on the "
             "way";
    case EXT_MASTER_SECRET_NEEDED_E:
      return "it lacks the extended master secret (RFC 7627): update its TLS library";
    case TOO_MUCH_EARLY_DATA:
      return "it sent more early data than kferry skips: switch early data (0-RTT) off there";
    case ALERT_COUNT_E:
    case EMPTY_RECORD_LIMIT_E:
      return "it sent too many warning alerts or empty records in a row: its TLS library is broken, or this "
             "is an "
             "attack";
    case RSA_SIGN_FAULT:
    case RSA_PRIVATE_ERROR:
    case NO_PRIVATE_KEY:
    case NO_CERT_ERROR:
      return "kferry's own key could not sign the handshake: run kferry check, and make certificate and key "
             "anew";
    default:
      return {};
  }
}

std::string_view certificate_words_of(int error) {
  switch (error) {
    case ASN_UNKNOWN_OID_E:
    case ASN_SIG_HASH_E:
    case ASN_SIG_KEY_E:
    case ECC_CURVE_OID_E:
    case ASN_DH_KEY_E:
      return "whose key or signature is of a kind that is not known here: reissue it with a key of RSA, EC "
             "(P-256, "
             "P-384, P-521) or Ed25519";
    case ASN_RSA_KEY_E:
    case ASN_ECC_KEY_E:
    case ECC_BAD_ARG_E:
      return "whose public key is malformed: reissue it";
    case ASN_CRIT_EXT_E:
      return "with a critical extension that is not known here: reissue it without that extension, or not "
             "critical";
    case ASN_VERSION_E:
      return "whose version is not 1 to 3: reissue it";
    case ASN_ALT_NAME_E:
    case ALT_NAME_E:
    case ASN_NAME_INVALID_E:
      return "with a name that is malformed or too long: reissue it";
    case MAX_CERT_EXTENSIONS_ERR:
      return "with too many extensions: reissue it with fewer";
    case ASN_PARSE_E:
    case ASN_GETINT_E:
    case ASN_OBJECT_ID_E:
    case ASN_TAG_NULL_E:
    case ASN_EXPECT_0_E:
    case ASN_BITSTR_E:
    case ASN_DATE_SZ_E:
    case ASN_SIG_OID_E:
    case ASN_TIME_E:
    case ASN_INPUT_E:
    case ASN_DEPTH_E:
    case ASN_LEN_E:
    case BUFFER_E:
      return "that is not well-formed (DER): have it reissued, or send it as its authority wrote it";
    default:
      return {};
  }
}

}  // namespace

std::string certificate_words(int error) {
  const std::string_view words = certificate_words_of(error);
  if (!words.empty()) return std::string(words);
  return "that cannot be decoded here (wolfSSL error " + std::to_string(error) + ")";
}

std::string library_words(int error) {
  const std::string_view words = words_of(error);
  if (!words.empty()) return std::string(words);
  return "the TLS library refused what it sent (wolfSSL error " + std::to_string(error) + ")";
}

}  // namespace kferry::tls
