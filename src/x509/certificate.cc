#include "x509/certificate.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <utility>

#include "x509/der.h"

namespace kferry::x509 {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view subject_alt_name = "\x55\x1D\x11";
constexpr std::string_view basic_constraints = "\x55\x1D\x13";
constexpr std::string_view common_name = "\x55\x04\x03";
// Those that RFC 2253 §2.3 gives a short name; Java writes every other as its number and #hex.
constexpr std::array short_names{
    std::pair{common_name, "CN"sv},
    std::pair{"\x55\x04\x06"sv, "C"sv},
    std::pair{"\x55\x04\x07"sv, "L"sv},
    std::pair{"\x55\x04\x08"sv, "ST"sv},
    std::pair{"\x55\x04\x09"sv, "STREET"sv},
    std::pair{"\x55\x04\x0A"sv, "O"sv},
    std::pair{"\x55\x04\x0B"sv, "OU"sv},
    std::pair{"\x09\x92\x26\x89\x93\xF2\x2C\x64\x01\x19"sv, "DC"sv},
    std::pair{"\x09\x92\x26\x89\x93\xF2\x2C\x64\x01\x01"sv, "UID"sv},
};

std::string dotted(std::span<const std::byte> oid) {
  std::string text;
  std::uint64_t value = 0;
  for (const std::byte octet : oid) {
    value = value << 7 | (std::to_integer<std::uint64_t>(octet) & 0x7F);
    if (std::to_integer<unsigned>(octet) & 0x80) continue;
    if (text.empty()) {
      const std::uint64_t first = std::min<std::uint64_t>(value / 40, 2);
      text.append(std::to_string(first)).append(".").append(std::to_string(value - first * 40));
    } else {
      text.append(".").append(std::to_string(value));
    }
    value = 0;
  }
  return text;
}

std::string hex(std::span<const std::byte> octets) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::byte octet : octets) {
    text += digits[std::to_integer<unsigned>(octet) >> 4];
    text += digits[std::to_integer<unsigned>(octet) & 15];
  }
  return text;
}

bool is_text(unsigned found) {
  return found == tag::utf8 || found == tag::printable || found == tag::ia5 || found == tag::teletex;
}

// RFC 2253 §2.4; a control character too becomes a pair of hex digits, as this goes to logs.
std::string escaped(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool at_an_edge = i == 0 || i + 1 == text.size();
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7F') {
      const std::byte octet{static_cast<unsigned char>(c)};
      result.append("\\").append(hex({&octet, 1}));
      continue;
    }
    if (",+\"\\<>;"sv.find(c) != std::string_view::npos || (c == ' ' && at_an_edge) || (c == '#' && i == 0)) {
      result += '\\';
    }
    result += c;
  }
  return result;
}

bool read_name(std::span<const std::byte> name, CertificateNames& names) {
  std::string subject;
  Der rdns(name);
  while (rdns.ok() && !rdns.at_end()) {
    std::string rdn;
    Der pairs(rdns.content(tag::set));
    while (pairs.ok() && !pairs.at_end()) {
      Der pair(pairs.content(tag::sequence));
      const auto oid = pair.content(tag::object_id);
      const DerElement value = pair.any();
      if (!pair.ok()) return false;
      const auto* known =
          std::ranges::find(short_names, text_of(oid), &std::pair<std::string_view, std::string_view>::first);
      if (!rdn.empty()) rdn += '+';
      if (known != short_names.end() && is_text(value.tag)) {
        rdn.append(known->second).append("=").append(escaped(text_of(value.content)));
        if (known->first == common_name) names.common_name = text_of(value.content);
      } else {
        rdn.append(known != short_names.end() ? std::string(known->second) : dotted(oid));
        rdn.append("=#").append(hex(value.whole));
      }
    }
    if (!pairs.ok()) return false;
    // The last is the most specific, and comes first.
    if (!subject.empty()) rdn.append(",").append(subject);
    subject = std::move(rdn);
  }
  names.subject = std::move(subject);
  return rdns.ok();
}

bool read_alt_names(std::span<const std::byte> extension, CertificateNames& names) {
  Der outer(extension);
  Der list(outer.content(tag::sequence));
  while (list.ok() && !list.at_end()) {
    const DerElement name = list.any();
    if (name.tag == tag::implicit(2)) names.dns_names.emplace_back(text_of(name.content));
    if (name.tag == tag::implicit(7)) names.addresses.emplace_back(name.content.begin(), name.content.end());
  }
  return outer.ok() && list.ok();
}

bool read_extensions(std::span<const std::byte> extensions, Certificate& certificate) {
  Der outer(extensions);
  Der list(outer.content(tag::sequence));
  while (list.ok() && !list.at_end()) {
    Der extension(list.content(tag::sequence));
    const auto oid = extension.content(tag::object_id);
    if (extension.peek() == tag::boolean) extension.any();
    const auto value = extension.content(tag::octet_string);
    if (!extension.ok()) return false;
    if (text_of(oid) == subject_alt_name && !read_alt_names(value, certificate.names)) return false;
    if (text_of(oid) == basic_constraints) {
      Der constraints(value);
      Der fields(constraints.content(tag::sequence));
      certificate.is_authority = fields.peek() == tag::boolean && fields.any().content.size() == 1;
    }
  }
  return outer.ok() && list.ok();
}

// RFC 5280 §4.1.2.5: both forms end in Z and have seconds.
bool read_time(Der& in, std::int64_t& time_s) {
  const DerElement element = in.any();
  if (element.tag != tag::utc_time && element.tag != tag::general_time) return false;
  const std::string_view text = text_of(element.content);
  const std::size_t year_size = element.tag == tag::utc_time ? 2 : 4;
  if (text.size() != year_size + 11 || text.back() != 'Z') return false;
  std::array<int, 6> fields{};
  std::size_t at = 0;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    for (std::size_t digits = i == 0 ? year_size : 2; digits > 0; --digits, ++at) {
      if (text[at] < '0' || text[at] > '9') return false;
      fields[i] = fields[i] * 10 + (text[at] - '0');
    }
  }
  if (year_size == 2) fields[0] += fields[0] < 50 ? 2000 : 1900;
  std::tm when{};
  when.tm_year = fields[0] - 1900;
  when.tm_mon = fields[1] - 1;
  when.tm_mday = fields[2];
  when.tm_hour = fields[3];
  when.tm_min = fields[4];
  when.tm_sec = fields[5];
  time_s = timegm(&when);
  return true;
}

bool read(std::span<const std::byte> der, Certificate& certificate) {
  Der outer(der);
  Der whole(outer.content(tag::sequence));
  Der fields(whole.content(tag::sequence));
  if (fields.peek() == tag::explicitly(0)) fields.any();  // version
  fields.content(tag::integer);                           // serial number
  fields.content(tag::sequence);                          // signature algorithm
  CertificateNames issuer;
  if (!read_name(fields.content(tag::sequence), issuer)) return false;
  certificate.issuer = std::move(issuer.subject);
  Der validity(fields.content(tag::sequence));
  if (!fields.ok() || !outer.at_end()) return false;
  if (!read_time(validity, certificate.not_before_s) || !read_time(validity, certificate.not_after_s))
    return false;
  if (!read_name(fields.content(tag::sequence), certificate.names)) return false;
  const DerElement public_key = fields.any();
  if (public_key.tag != tag::sequence) return false;
  certificate.public_key.assign(public_key.whole.begin(), public_key.whole.end());
  while (fields.ok() && !fields.at_end()) {
    const DerElement element = fields.any();
    if (element.tag == tag::explicitly(3) && !read_extensions(element.content, certificate)) return false;
  }
  return fields.ok() && whole.ok();
}

}  // namespace

std::expected<Certificate, Failure> read_certificate(std::span<const std::byte> der) {
  Certificate certificate;
  if (read(der, certificate)) return certificate;
  return std::unexpected(
      Failure{"certificate_malformed", "holds a certificate that cannot be parsed: export it again"});
}

std::string date_text(std::int64_t time_s) {
  const std::time_t time = time_s;
  std::tm when{};
  gmtime_r(&time, &when);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", &when);
  return text.data();
}

std::string validity_problem(const Certificate& certificate, std::int64_t now_s) {
  std::string text = "the certificate of ";
  text += certificate.names.subject.empty() ? "(no subject)" : certificate.names.subject;
  if (now_s > certificate.not_after_s) {
    return text + " expired at " + date_text(certificate.not_after_s) + ": renew it";
  }
  if (now_s < certificate.not_before_s) {
    return text + " is not valid before " + date_text(certificate.not_before_s) +
           ": wait, or set this host's clock";
  }
  return {};
}

}  // namespace kferry::x509
