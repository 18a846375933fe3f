// Where kferry deviates from the results that x509-limbo expects, and why. An entry that no longer deviates fails the test.
// Nothing is accepted here despite a wrong signature, validity, basicConstraints, keyCertSign, path length, name constraint,
// extended key usage or revocation: only despite the form of these or other fields.
package main

import "sort"

const (
	criticality = "RFC 5280 tells issuers which extensions to mark critical; kferry enforces those it knows either way"
	keyIDs      = "key identifiers help to find the issuer; the signature proves it"
	commonNames = "the web PKI requires the common name to repeat a subjectAltName; with one present, kferry ignores it"
	suffixes    = "the public suffix list is for the web; brokers may have names below private suffixes"
	weakKeys    = "the web PKI forbids keys that OpenSSL allows: RSA of 1024 bits, DSA, P-192"
	serials     = "RFC 5280 §4.1.2.2 asks verifiers to handle such serial numbers"
)

var deviations = map[string]deviation{
	// --- accepted
	"crl::crlnumber-missing":                      {"OpenSSL", "a requirement on issuers; `openssl ca` omits the number unless configured"},
	"rfc5280::aki::cross-signed-root-missing-aki": {"OpenSSL", keyIDs},
	"rfc5280::aki::intermediate-missing-aki":      {"OpenSSL", keyIDs},
	"rfc5280::aki::leaf-missing-aki":              {"OpenSSL", keyIDs},
	"rfc5280::ca-empty-subject":                   {"OpenSSL", "an empty name matches an empty name"},
	"rfc5280::leaf-ku-keycertsign":                {"OpenSSL", "a requirement on issuers; CA:FALSE prevents the leaf from signing certificates"},
	"rfc5280::nc::invalid-dnsname-leading-period": {"OpenSSL", "a widespread spelling; it permits the names below example.com"},
	"rfc5280::nc::not-allowed-in-ee-critical":     {"OpenSSL", "a leaf's name constraints have no effect"},
	"rfc5280::nc::not-allowed-in-ee-noncritical":  {"OpenSSL", "a leaf's name constraints have no effect"},
	"rfc5280::nc::permitted-dns-match-noncritical": {"OpenSSL", criticality + "; the name is a permitted one, and " +
		"webpki::nc::permitted-dns-match-noncritical expects success"},
	"rfc5280::pc::ica-noncritical-pc":                           {"OpenSSL", criticality},
	"rfc5280::root-non-critical-basic-constraints":              {"OpenSSL", criticality},
	"rfc5280::san::noncritical-with-empty-subject":              {"OpenSSL", criticality},
	"rfc5280::san::underscore-dns":                              {"OpenSSL", "such hosts exist; Docker Compose makes them"},
	"rfc5280::serial::negative":                                 {"OpenSSL", serials},
	"rfc5280::serial::too-long":                                 {"OpenSSL", serials},
	"rfc5280::serial::zero":                                     {"OpenSSL", serials},
	"rfc5280::ski::intermediate-missing-ski":                    {"OpenSSL", keyIDs},
	"rfc5280::ski::root-missing-ski":                            {"OpenSSL", keyIDs},
	"webpki::aki::root-with-aki-all-fields":                     {"OpenSSL", keyIDs},
	"webpki::aki::root-with-aki-authoritycertissuer":            {"OpenSSL", keyIDs},
	"webpki::aki::root-with-aki-authoritycertserialnumber":      {"OpenSSL", keyIDs},
	"webpki::aki::root-with-aki-missing-keyidentifier":          {"OpenSSL", keyIDs},
	"webpki::aki::root-with-aki-ski-mismatch":                   {"OpenSSL", keyIDs},
	"webpki::cn::case-mismatch":                                 {"OpenSSL", commonNames},
	"webpki::cn::ipv4-hex-mismatch":                             {"OpenSSL", commonNames},
	"webpki::cn::ipv4-leading-zeros-mismatch":                   {"OpenSSL", commonNames},
	"webpki::cn::ipv6-non-rfc5952-mismatch":                     {"OpenSSL", commonNames},
	"webpki::cn::ipv6-uncompressed-mismatch":                    {"OpenSSL", commonNames},
	"webpki::cn::ipv6-uppercase-mismatch":                       {"OpenSSL", commonNames},
	"webpki::cn::not-in-san":                                    {"OpenSSL", commonNames},
	"webpki::cn::punycode-not-in-san":                           {"OpenSSL", commonNames},
	"webpki::cn::utf8-vs-punycode-mismatch":                     {"OpenSSL", commonNames},
	"webpki::ee-basicconstraints-ca":                            {"OpenSSL", "the web PKI forbids authorities as leaves; self-signed certificates often are"},
	"webpki::eku::ee-anyeku":                                    {"OpenSSL", "the web PKI forbids anyExtendedKeyUsage, even beside serverAuth"},
	"webpki::eku::ee-critical-eku":                              {"OpenSSL", criticality},
	"webpki::eku::ee-without-eku":                               {"OpenSSL", "no extension allows every usage; rfc5280::eku::ee-without-eku expects success"},
	"webpki::eku::root-has-eku":                                 {"OpenSSL", "the web PKI forbids the extension in roots; this one allows serverAuth"},
	"webpki::forbidden-dsa-leaf":                                {"OpenSSL", weakKeys + "; no cipher suite is offered for it"},
	"webpki::forbidden-dsa-root":                                {"OpenSSL", weakKeys},
	"webpki::forbidden-p192-leaf":                               {"OpenSSL", weakKeys + "; no signature algorithm is offered for it"},
	"webpki::forbidden-p192-root":                               {"OpenSSL", weakKeys},
	"webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf":      {"OpenSSL", "2052 bits are no weaker than 2048"},
	"webpki::forbidden-rsa-not-divisible-by-8-in-root":          {"OpenSSL", "2052 bits are no weaker than 2048"},
	"webpki::forbidden-weak-rsa-in-leaf":                        {"OpenSSL", weakKeys},
	"webpki::forbidden-weak-rsa-key-in-root":                    {"OpenSSL", weakKeys},
	"webpki::malformed-aia":                                     {"OpenSSL", "kferry never fetches issuers, so it does not read the extension"},
	"webpki::san::no-san":                                       {"OpenSSL", "without a subjectAltName the common name is the host, as in Java"},
	"webpki::san::public-suffix-multi-label-wildcard-san":       {"OpenSSL", suffixes},
	"webpki::san::public-suffix-private-namespace-wildcard-san": {"OpenSSL", suffixes},
	"webpki::san::san-critical-with-nonempty-subject":           {"OpenSSL", criticality},
	"webpki::v1-cert":                                           {"OpenSSL", "brokers accept leaves of version 1, and so does kferry"},

	// --- refused
	"pathlen::validation-ignores-pathlen-in-leaf": {"", "a leaf whose key usage allows only certificates cannot sign a handshake (RFC 8446 §4.4.2.2)"},
	"rfc5280::ca-as-leaf":                         {"", "a leaf whose key usage allows only certificates cannot sign a handshake (RFC 8446 §4.4.2.2)"},
	"rfc5280::validity::notafter-exact":           {"", "expires a second early, as in OpenSSL"},
	"rfc5280::validity::notafter-fractional":      {"", "expires a second early, as in OpenSSL"},
}

// Cases that handshakes refuse although the trust store accepts them.
var refusedInHandshakes = map[string]string{}

var notApplicable = map[string]string{
	"pathlen::max-chain-depth-0-exhausted": "kferry has no setting for the path length",
	"pathlen::max-chain-depth-1-exhausted": "kferry has no setting for the path length",
}

func tableOfLimbo() []string {
	var all []string
	for id := range deviations {
		all = append(all, id)
	}
	for id := range refusedInHandshakes {
		all = append(all, id)
	}
	for id := range notApplicable {
		all = append(all, id)
	}
	sort.Strings(all)
	return all
}
