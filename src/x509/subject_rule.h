// Rules for a certificate's subject, matched attribute by attribute: "CN=app-*,OU=*,O=Example".
//
//   rule      = rdn *( "," rdn )               the most specific first, as in RFC 2253; as many as in the subject
//   rdn       = attribute *( "+" attribute )      a set: the order within does not matter
//   attribute = type "=" pattern                  type: a short name (CN, OU, O, L, ST, STREET, C, DC, UID,
//                                                 emailAddress, serialNumber) or a dotted number, without case
//   pattern   = characters, `*` for any run of them within this one value, `\` before one that is meant literally,
//               `\` and two hex digits for one byte of UTF-8; or "#" and the hex of the value's DER, without stars
//
// Values are compared after decoding to UTF-8, case and white space included. Pure; any thread.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/failure.h"
#include "x509/certificate.h"

namespace kferry::x509 {

class SubjectRule {
 public:
  // Fails with "subject_rule_malformed" and the remedy.
  static std::expected<SubjectRule, Failure> parse(std::string_view text);

  bool matches(const Name& subject) const;

 private:
  struct Pattern {
    std::string type;                // dotted
    std::vector<std::string> parts;  // the decoded text between the stars
    bool der = false;                // there is one part, the value's DER

    bool matches(const Attribute& attribute) const;
  };

  static std::string read_pattern(std::string_view value, Pattern& pattern);
  static bool matches_rdn(std::span<const Pattern> patterns, std::vector<const Attribute*>& left);

  std::vector<std::vector<Pattern>> rdns_;  // the most specific first
};

// `*` matches any run of characters; matching is case-sensitive. Versions before 0.2 matched a rule in this way against
// the text of the whole subject, so that a star could span attributes.
bool matches_glob(std::string_view glob, std::string_view text);

}  // namespace kferry::x509
