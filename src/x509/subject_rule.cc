#include "x509/subject_rule.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "x509/openssl.h"

namespace kferry::x509 {
namespace {

using namespace std::string_view_literals;

// More than a real RDN has. It limits the search for a match within a set.
constexpr std::size_t attributes_max = 6;

constexpr std::string_view specials = ",+\"\\<>;=#* ";

std::unexpected<Failure> malformed(std::string_view rule, std::string_view why) {
  std::string text = "the subject rule \"";
  text.append(rule).append("\" ").append(why);
  return std::unexpected(Failure{"subject_rule_malformed", std::move(text)});
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) {
    std::size_t escapes = 0;
    while (escapes + 1 < text.size() && text[text.size() - 2 - escapes] == '\\') ++escapes;
    if (escapes % 2 == 1) break;
    text.remove_suffix(1);
  }
  return text;
}

// The parts of `text` between unescaped `separator`s.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  std::size_t start = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == separator) {
      parts.push_back(trimmed(text.substr(start, at - start)));
      start = at + 1;
    }
  }
  parts.push_back(trimmed(text.substr(start)));
  return parts;
}

// The dotted number of an attribute's type, or an empty string.
std::string type_of(std::string_view written) {
  std::string name;
  for (const char c : written) name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  // OpenSSL accepts names in one case only.
  constexpr std::array known{
      std::pair{"CN"sv, "2.5.4.3"sv},
      std::pair{"SERIALNUMBER"sv, "2.5.4.5"sv},
      std::pair{"C"sv, "2.5.4.6"sv},
      std::pair{"L"sv, "2.5.4.7"sv},
      std::pair{"ST"sv, "2.5.4.8"sv},
      std::pair{"S"sv, "2.5.4.8"sv},
      std::pair{"STREET"sv, "2.5.4.9"sv},
      std::pair{"O"sv, "2.5.4.10"sv},
      std::pair{"OU"sv, "2.5.4.11"sv},
      std::pair{"DC"sv, "0.9.2342.19200300.100.1.25"sv},
      std::pair{"UID"sv, "0.9.2342.19200300.100.1.1"sv},
      std::pair{"EMAILADDRESS"sv, "1.2.840.113549.1.9.1"sv},
      std::pair{"E"sv, "1.2.840.113549.1.9.1"sv},
  };
  const auto* found = std::ranges::find(known, name, &std::pair<std::string_view, std::string_view>::first);
  if (found != known.end()) return std::string(found->second);
  if (name.starts_with("OID.")) written.remove_prefix(4);
  ASN1_OBJECT* const object = OBJ_txt2obj(std::string(written).c_str(), 0);
  std::array<char, 128> dotted{};
  const int size =
      object == nullptr ? 0 : OBJ_obj2txt(dotted.data(), static_cast<int>(dotted.size()), object, 1);
  ASN1_OBJECT_free(object);
  ERR_clear_error();
  return size > 0 && static_cast<std::size_t>(size) < dotted.size() ? std::string(dotted.data())
                                                                    : std::string();
}

}  // namespace

std::expected<SubjectRule, Failure> SubjectRule::parse(std::string_view text) {
  SubjectRule rule;
  if (trimmed(text).empty()) return malformed(text, "is empty: write TYPE=VALUE, as in CN=app-*,O=Example");
  for (const std::string_view rdn : split(text, ',')) {
    std::vector<Pattern>& patterns = rule.rdns_.emplace_back();
    for (const std::string_view attribute : split(rdn, '+')) {
      const std::size_t equals = attribute.find('=');
      if (attribute == "*"sv) {
        return malformed(text,
                         "has a star for whole attributes, and a star never crosses one: write every "
                         "attribute of the subject, as in CN=app-*,OU=*,O=Example");
      }
      if (equals == std::string_view::npos || equals == 0) {
        std::string why = "has the part \"";
        why.append(attribute).append(
            "\", which is not TYPE=VALUE: a comma or plus sign inside a value is written "
            "with a backslash before it");
        return malformed(text, why);
      }
      Pattern pattern;
      const std::string_view type = trimmed(attribute.substr(0, equals));
      pattern.type = type_of(type);
      if (pattern.type.empty()) {
        std::string why = "names the attribute type \"";
        why.append(type).append("\", which is not known: write it as a dotted number");
        return malformed(text, why);
      }
      if (auto problem = read_pattern(trimmed(attribute.substr(equals + 1)), pattern); !problem.empty())
        return malformed(text, problem);
      patterns.push_back(std::move(pattern));
    }
    if (patterns.size() > attributes_max) return malformed(text, "joins too many attributes by plus signs");
  }
  return rule;
}

// Returns what is wrong, or an empty string.
std::string SubjectRule::read_pattern(std::string_view value, Pattern& pattern) {
  pattern.parts.emplace_back();
  if (value.starts_with('#')) {
    pattern.der = true;
    value.remove_prefix(1);
    if (value.empty() || value.size() % 2 != 0) return "has a value after # that is not pairs of hex digits";
    for (std::size_t at = 0; at < value.size(); at += 2) {
      const int high = digit_of(value[at]), low = digit_of(value[at + 1]);
      if (high < 0 || low < 0) return "has a value after # that is not pairs of hex digits";
      pattern.parts.back() += static_cast<char>(high << 4 | low);
    }
    return {};
  }
  for (std::size_t at = 0; at < value.size(); ++at) {
    const char c = value[at];
    if (c == '*') {
      pattern.parts.emplace_back();
    } else if (c == '"') {
      return "has a quotation mark in a value: write a backslash before each special character instead";
    } else if (c != '\\') {
      pattern.parts.back() += c;
    } else if (at + 1 < value.size() && specials.find(value[at + 1]) != std::string_view::npos) {
      pattern.parts.back() += value[++at];
    } else if (at + 2 < value.size() && digit_of(value[at + 1]) >= 0 && digit_of(value[at + 2]) >= 0) {
      pattern.parts.back() += static_cast<char>(digit_of(value[at + 1]) << 4 | digit_of(value[at + 2]));
      at += 2;
    } else {
      return "has a backslash that is followed by neither a special character nor two hex digits";
    }
  }
  return {};
}

bool SubjectRule::Pattern::matches(const Attribute& attribute) const {
  if (attribute.type != type) return false;
  if (der) return text_of(attribute.der) == parts.front();
  // A value that is not text cannot be compared.
  if (attribute.value.empty() && attribute.der.size() > 2) return false;
  std::string_view rest = attribute.value;
  if (parts.size() == 1) return rest == parts.front();
  if (!rest.starts_with(parts.front())) return false;
  rest.remove_prefix(parts.front().size());
  if (!rest.ends_with(parts.back())) return false;
  rest.remove_suffix(parts.back().size());
  for (std::size_t i = 1; i + 1 < parts.size(); ++i) {
    const std::size_t found = rest.find(parts[i]);
    if (found == std::string_view::npos) return false;
    rest.remove_prefix(found + parts[i].size());
  }
  return true;
}

// Compares two sets: each pattern must match exactly one attribute, and each attribute one pattern.
bool SubjectRule::matches_rdn(std::span<const Pattern> patterns, std::vector<const Attribute*>& left) {
  if (patterns.empty()) return left.empty();
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (!patterns.front().matches(*left[i])) continue;
    const Attribute* const taken = left[i];
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(i));
    if (matches_rdn(patterns.subspan(1), left)) return true;
    left.insert(left.begin() + static_cast<std::ptrdiff_t>(i), taken);
  }
  return false;
}

bool SubjectRule::matches(const Name& subject) const {
  if (subject.size() != rdns_.size()) return false;
  for (std::size_t i = 0; i < rdns_.size(); ++i) {
    const auto& rdn = subject[subject.size() - 1 - i];
    if (rdn.size() != rdns_[i].size()) return false;
    std::vector<const Attribute*> left;
    for (const Attribute& attribute : rdn) left.push_back(&attribute);
    if (!matches_rdn(rdns_[i], left)) return false;
  }
  return true;
}

bool matches_glob(std::string_view glob, std::string_view text) {
  // At a mismatch the last star takes one more character. Linear, except for patterns with many stars.
  std::size_t g = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      resume = t;
    } else if (g < glob.size() && glob[g] == text[t]) {
      ++g;
      ++t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

}  // namespace kferry::x509
