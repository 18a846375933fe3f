#include "tls/failures.h"

#include <wolfssl/options.h>
// The options come first: they decide the layout of what the others declare.
#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include <doctest/doctest.h>

#include <vector>

#include "tls/library_errors.h"

using namespace kferry::tls;

namespace {

std::string words_of(Remote remote, int error, bool handshaking = true) {
  Breakdown breakdown;
  breakdown.remote = remote;
  breakdown.handshaking = handshaking;
  breakdown.error = error;
  return failure_of(breakdown).text;
}
kferry::Failure of_alert(Remote remote, Alert alert, bool has_identity = false) {
  Breakdown breakdown;
  breakdown.remote = remote;
  breakdown.alert = alert;
  breakdown.has_identity = has_identity;
  return failure_of(breakdown);
}
bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("wolfSSL's buffer errors are reported as malformed messages") {
  for (const int error :
       std::vector<int>{BUFFER_ERROR, BUFFER_E, INCOMPLETE_DATA, INVALID_PARAMETER, DUPLICATE_TLS_EXT_E}) {
    CAPTURE(error);
    CHECK(has(words_of(Remote::client, error),
              "the TLS handshake with the client failed: it sent a malformed handshake message"));
  }
  CHECK(has(words_of(Remote::broker, UNKNOWN_RECORD_TYPE, false),
            "TLS with the broker failed: it sent bytes that are not a valid TLS record"));
  CHECK(has(words_of(Remote::broker, OUT_OF_ORDER_E), "not expected at this point"));
  CHECK(has(words_of(Remote::client, SIG_VERIFY_E), "does not prove that it has the private key"));
  CHECK(has(words_of(Remote::broker, VERIFY_SIGN_ERROR), "does not prove that it has the private key"));
  CHECK(has(words_of(Remote::broker, HANDSHAKE_SIZE_ERROR), "of more than 65536 bytes"));
}

TEST_CASE("the failure says what is wrong with a certificate that cannot be decoded") {
  CHECK(has(words_of(Remote::client, ASN_PARSE_E), "the client sent a certificate that is not well-formed"));
  CHECK(has(words_of(Remote::broker, ECC_CURVE_OID_E),
            "whose key or signature is of a kind that is not known here"));
  CHECK(has(words_of(Remote::broker, ASN_CRIT_EXT_E), "with a critical extension that is not known here"));
}

TEST_CASE("no message contains wolfSSL's own strings") {
  // Its ranges: TLS, PEM and negotiation, wolfCrypt.
  for (const auto& [first, last] : std::vector<std::pair<int, int>>{{WOLFSSL_FIRST_E, WOLFSSL_LAST_E},
                                                                    {WC_SPAN1_FIRST_E, WC_SPAN1_LAST_E},
                                                                    {WC_SPAN2_FIRST_E, WC_SPAN2_LAST_E}}) {
    for (int error = first; error >= last; --error) {
      CAPTURE(error);
      for (const std::string& text : {words_of(Remote::client, error), words_of(Remote::broker, error, false),
                                      library_words(error), certificate_words(error)}) {
        CHECK_FALSE(has(text, "Buffer error"));
        CHECK_FALSE(has(text, "Input/output error"));
        CHECK_FALSE(has(text, "key too small"));
        CHECK_FALSE(has(text, "record hdr"));
        CHECK_FALSE(has(text, "ASN "));
        CHECK_FALSE(text.ends_with("failed: "));
      }
    }
  }
  CHECK(library_words(-9999) == "the TLS library refused what it sent (wolfSSL error -9999)");
}

TEST_CASE("a broker's alert about certificates is about the one that kferry has, or lacks") {
  for (const Alert alert : {Alert::bad_certificate, Alert::certificate_unknown, Alert::unknown_ca}) {
    CHECK(of_alert(Remote::broker, alert).cause == "client_certificate_required");
    CHECK(has(of_alert(Remote::broker, alert).text, "which has no client certificate"));
    CHECK(of_alert(Remote::broker, alert, true).cause == "client_certificate_refused");
    CHECK(of_alert(Remote::client, alert).cause == "certificate_refused");
  }
  CHECK(has(of_alert(Remote::broker, Alert::handshake_failure).text, "requires a client certificate"));
  CHECK_FALSE(has(of_alert(Remote::client, Alert::handshake_failure).text, "client certificate"));
}

TEST_CASE("an alert about a signature or a record is not about trust") {
  for (const Remote remote : {Remote::client, Remote::broker}) {
    CHECK(of_alert(remote, Alert::decrypt_error).cause == "alert_received");
    CHECK_FALSE(has(of_alert(remote, Alert::decrypt_error).text, "trust store"));
    CHECK(has(of_alert(remote, Alert::bad_record_mac).text, "damaged or altered on the way"));
  }
}
