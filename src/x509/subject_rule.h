// Rules over a certificate's subject, matched attribute by attribute: "CN=app-*,OU=*,O=Example".
//
//   rule      = rdn *( "," rdn )                  in RFC 2253's order, the most specific first; as many as the subject has
//   rdn       = attribute *( "+" attribute )      a set: the order within does not matter
//   attribute = type "=" pattern                  type: a short name (CN, OU, O, L, ST, STREET, C, DC, UID,
//                                                 emailAddress, serialNumber) or a dotted number, without case
//   pattern   = characters, `*` for any run of them within this one value, `\` before one that is meant literally,
//               `\` and two hex digits for one byte of UTF-8; or "#" and the hex of the value's whole DER, without stars
//
// Values are compared after decoding to UTF-8, case and white space included. Pure; any thread.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "x509/certificate.h"
#include "x509/failure.h"

namespace kferry::x509 {

class SubjectRule {
 public:
  // Fails with "subject_rule_malformed" and the remedy.
  static std::expected<SubjectRule, Failure> parse(std::string_view text);

  bool matches(const Name& subject) const;

 private:
  struct Part {
    std::string literal;  // what stands between two stars, decoded
  };
  struct Pattern {
    std::string type;         // dotted
    std::vector<Part> parts;  // joined by stars
    bool der = false;         // parts[0] is the value's DER
  };
  std::vector<std::vector<Pattern>> rdns_;  // the most specific first
};

// Whether the rule, read as a pattern over the whole subject's text, matched it in versions before 0.2: `check` tells
// which rules that changes.
bool matches_glob(std::string_view glob, std::string_view text);

}  // namespace kferry::x509
