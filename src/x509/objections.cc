#include "x509/objections.h"

#include <algorithm>

#include "x509/certificate.h"

namespace kferry::x509 {
namespace {

std::string subject_of(X509* certificate) {
  return name_or_none(X509_get_subject_name(certificate));
}

std::string issuer_of(X509* certificate) {
  return name_or_none(X509_get_issuer_name(certificate));
}

std::string key_of(X509* certificate) {
  const EVP_PKEY* const key = X509_get0_pubkey(certificate);
  return key == nullptr ? "key of an unknown kind" : std::to_string(EVP_PKEY_get_bits(key)) + "-bit key";
}

// Why the path, which ended at `last`, has no issuer for it.
Objection untrusted(const Refusal& refusal, X509* last) {
  const bool client = refusal.role == Role::client;
  const bool is_leaf = last == refusal.leaf || X509_cmp(last, refusal.leaf) == 0;
  const std::string chain = is_leaf ? "is signed by " : "has the issuer " + subject_of(last) + ", signed by ";
  const auto same_name = std::ranges::find_if(refusal.pinned, [&](const X509Ptr& one) {
    return X509_NAME_cmp(X509_get_subject_name(one.get()), X509_get_issuer_name(last)) == 0;
  });
  const bool self = X509_NAME_cmp(X509_get_subject_name(last), X509_get_issuer_name(last)) == 0;
  if (same_name != refusal.pinned.end() && !(self && is_leaf)) {
    return {"certificate_untrusted",
            chain + issuer_of(last) + ", which is in the trust store but is not an authority (" +
                why_not_an_authority(same_name->get()) + "): it vouches for itself only",
            alert_unknown_ca};
  }
  if (self && is_leaf) {
    return {
        "certificate_untrusted",
        "is self-signed and not in the trust store: add it there, or have it signed by an authority of the "
        "trust store",
        alert_unknown_ca};
  }
  if (self) {
    return {"certificate_untrusted",
            "leads to the root " + subject_of(last) +
                ", which is not in the trust store: it is signed by no "
                "authority of the trust store, so add that root",
            alert_unknown_ca};
  }
  return {"certificate_untrusted",
          chain + issuer_of(last) +
              ", which is not an authority of the trust store and was not sent: add that authority, "
              "or have " +
              (client ? "the client" : "the broker") + " send its whole chain",
          alert_unknown_ca};
}

}  // namespace

bool lacks_issuer(int error) {
  switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
      return true;
    default:
      return false;
  }
}

std::string name_or_none(const X509_NAME* name) {
  std::string text = name_text(name);
  return text.empty() ? "(no subject)" : text;
}

std::string why_not_an_authority(X509* certificate) {
  if (X509_get_version(certificate) != X509_VERSION_3) return "X.509 version 1";
  const std::uint32_t flags = X509_get_extension_flags(certificate);
  if ((flags & EXFLAG_BCONS) == 0) return "version 3 without basicConstraints";
  if ((flags & EXFLAG_CA) == 0) return "CA:FALSE";
  return "its key usage lacks keyCertSign";
}

Objection objection_of(const Refusal& refusal) {
  const auto depth = static_cast<std::size_t>(std::max(refusal.depth, 0));
  const bool leaf = depth == 0 || depth >= refusal.path.size();
  X509* const one = leaf ? refusal.leaf : refusal.path[depth];
  const std::string who =
      leaf ? std::string() : "depends on the certificate of " + subject_of(one) + ", which ";
  const std::string usage = refusal.role == Role::client ? "clientAuth" : "serverAuth";
  if (lacks_issuer(refusal.error))
    return untrusted(refusal, refusal.path.empty() ? refusal.leaf : refusal.path.back());
  switch (refusal.error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return {"certificate_expired",
              who + "has expired (" + date_text(time_of(X509_get0_notAfter(one))) +
                  (leaf ? "): renew it there" : "): replace that one"),
              alert_certificate_expired};
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return {"certificate_not_yet_valid",
              who + "is not valid yet (not before " + date_text(time_of(X509_get0_notBefore(one))) +
                  "): compare the clocks",
              alert_bad_certificate};
    case X509_V_ERR_CERT_REVOKED:
      return {"certificate_revoked", who + "has been revoked by " + issuer_of(one),
              alert_certificate_revoked};
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
      return {
          "revocations_missing",
          who + "has the issuer " + issuer_of(one) + ", for which no revocation list is given: add its list",
          alert_certificate_unknown};
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
      return {"revocations_expired",
              who + "cannot be checked: the revocation list of " + issuer_of(one) +
                  " is out of date; fetch it again",
              alert_certificate_unknown};
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
    case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
    case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
      return {"revocations_unusable",
              who + "cannot be checked: the revocation list of " + issuer_of(one) + " does not count (" +
                  X509_verify_cert_error_string(refusal.error) + ")",
              alert_certificate_unknown};
    case X509_V_ERR_INVALID_PURPOSE: {
      const std::uint32_t extended = X509_get_extended_key_usage(one);
      const std::uint32_t wanted = refusal.role == Role::client ? XKU_SSL_CLIENT : XKU_SSL_SERVER;
      if (extended != UINT32_MAX && (extended & wanted) == 0) {
        return {"certificate_purpose",
                who + "is not meant for this use: its extended key usage lacks " + usage,
                alert_unsupported_certificate};
      }
      return {"certificate_purpose",
              who + "is not meant for this use: its key usage lacks " +
                  (leaf ? "digitalSignature" : "keyCertSign"),
              alert_unsupported_certificate};
    }
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_INVALID_NON_CA:
    case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
      return {"certificate_untrusted",
              "depends on the certificate of " + subject_of(one) + ", which is not an authority (" +
                  why_not_an_authority(one) + ")",
              alert_unknown_ca};
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
      return {"certificate_untrusted",
              who + "allows fewer authorities below it than there are (its path length)", alert_unknown_ca};
    case X509_V_ERR_PERMITTED_VIOLATION:
    case X509_V_ERR_EXCLUDED_VIOLATION:
    case X509_V_ERR_SUBTREE_MINMAX:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX:
    case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
      return {"certificate_untrusted",
              who + "has a name that an authority above it may not sign (name constraints: " +
                  X509_verify_cert_error_string(refusal.error) + ")",
              alert_bad_certificate};
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: {
      std::string text = "does not name ";
      text.append(refusal.host)
          .append(", which was dialled: advertise a name that the certificate has, or reissue it");
      return {"certificate_not_allowed", std::move(text), alert_bad_certificate};
    }
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE:
      return {"certificate_invalid",
              who + "was not signed by the key of " + issuer_of(one) +
                  " that is known here: another certificate of that name signed it, or it was altered",
              alert_bad_certificate};
    case X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY:
    case X509_V_ERR_UNSUPPORTED_SIGNATURE_ALGORITHM:
    case X509_V_ERR_SIGNATURE_ALGORITHM_MISMATCH:
    case X509_V_ERR_SIGNATURE_ALGORITHM_INCONSISTENCY:
      return {"certificate_invalid", who + "is signed in a way that is not known here",
              alert_unsupported_certificate};
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
      return {"certificate_invalid", who + "has a " + key_of(one) + ", which is too weak: reissue it",
              alert_bad_certificate};
    case X509_V_ERR_CA_MD_TOO_WEAK: {
      int hash = NID_undef;
      X509_get_signature_info(one, &hash, nullptr, nullptr, nullptr);
      return {"certificate_invalid",
              who + "is signed with " + (hash == NID_undef ? "a weak hash" : OBJ_nid2sn(hash)) +
                  ", which can be forged: have it signed again with SHA-256",
              alert_bad_certificate};
    }
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
      return {"chain_too_long", "has a path of more than " + std::to_string(chain_size_max) + " authorities",
              alert_bad_certificate};
    case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION:
      return {"certificate_invalid", who + "has a critical extension that is not known here",
              alert_unsupported_certificate};
    case X509_V_ERR_OUT_OF_MEM:
      return {"memory_exhausted", "cannot be judged: there is no memory left", alert_certificate_unknown};
    default:
      return {"certificate_invalid", who + "does not verify: " + X509_verify_cert_error_string(refusal.error),
              alert_bad_certificate};
  }
}

}  // namespace kferry::x509
