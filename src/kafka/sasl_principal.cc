#include "kafka/sasl_principal.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/secret.h"

namespace kferry::kafka {
namespace {

// A text that is zeroed when it goes out of scope.
struct Wiped {
  std::string text;
  Wiped() = default;
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;
  ~Wiped() { wipe(text); }
};

std::string kept(std::string_view name) {
  return std::string(name.substr(0, ClaimedPrincipal::name_max));
}

// [authzid] NUL authcid NUL passwd
std::string plain_name(std::string_view token) {
  const std::size_t first = token.find('\0');
  if (first == std::string_view::npos) return {};
  const std::size_t second = token.find('\0', first + 1);
  if (second == std::string_view::npos) return {};
  return kept(token.substr(first + 1, second - first - 1));
}

// What follows the GS2 header, "n,,", "y,," or "p=…,,", with an authzid between the commas or without.
std::optional<std::string_view> after_gs2_header(std::string_view token) {
  if (!token.starts_with('n') && !token.starts_with('y') && !token.starts_with("p=")) return std::nullopt;
  std::size_t at = token.find(',');
  if (at == std::string_view::npos) return std::nullopt;
  at = token.find(',', at + 1);
  if (at == std::string_view::npos) return std::nullopt;
  return token.substr(at + 1);
}

// "=2C" is a comma and "=3D" an equals sign.
std::string saslname(std::string_view escaped) {
  std::string name;
  for (std::size_t i = 0; i < escaped.size(); ++i) {
    const std::string_view here = escaped.substr(i, 3);
    if (here == "=2C" || here == "=3D") {
      name += here == "=2C" ? ',' : '=';
      i += 2;
    } else {
      name += escaped[i];
    }
  }
  return kept(name);
}

ClaimedPrincipal scram_name(std::string_view token) {
  ClaimedPrincipal claimed;
  const auto bare = after_gs2_header(token);
  if (!bare) return claimed;
  for (std::string_view rest = *bare; !rest.empty();) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    const std::string_view part = rest.substr(0, end);
    if (part.starts_with("n=") && claimed.name.empty()) claimed.name = saslname(part.substr(2));
    if (part == "tokenauth=true") claimed.delegation_token = true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return claimed;
}

// ---- JSON (RFC 8259): one member of the outermost object, whatever else is in it

class Members {
 public:
  explicit Members(std::string_view text) : text_(text) {}

  // The text of the first member of this name; empty: it has none, or the text is not JSON as far as it was read.
  std::string text_of(std::string_view wanted) {
    blanks();
    if (!take('{')) return {};
    for (;;) {
      std::string name;
      blanks();
      if (!string(&name)) return {};
      blanks();
      if (!take(':')) return {};
      blanks();
      if (name == wanted) {
        std::string value;
        return string(&value) ? value : std::string();
      }
      if (!skip_value()) return {};
      blanks();
      if (!take(',')) return {};
    }
  }

 private:
  char here() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char wanted) {
    if (here() != wanted || at_ == text_.size()) return false;
    ++at_;
    return true;
  }
  void blanks() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }

  // Null: skips it, and makes no copy.
  bool string(std::string* out) {
    if (!take('"')) return false;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (c != '\\') {
        if (out != nullptr) *out += c;
        continue;
      }
      if (at_ == text_.size()) return false;
      const char kind = text_[at_++];
      if (out != nullptr && !escape(kind, *out)) return false;
    }
    return false;
  }

  bool escape(char kind, std::string& out) {
    static constexpr std::string_view kinds = "\"\\/bfnrt";
    static constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    if (const std::size_t i = kinds.find(kind); i != std::string_view::npos) {
      out += meanings[i];
      return true;
    }
    if (kind != 'u' || at_ + 4 > text_.size()) return false;
    std::uint32_t point = 0;
    for (int i = 0; i < 4; ++i) {
      const char digit = text_[at_++];
      const bool decimal = digit >= '0' && digit <= '9';
      const char letter = static_cast<char>(digit | 0x20);
      if (!decimal && (letter < 'a' || letter > 'f')) return false;
      point = point * 16 + static_cast<std::uint32_t>(decimal ? digit - '0' : letter - 'a' + 10);
    }
    // Half of a surrogate pair becomes invalid UTF-8, which is replaced where the text is shown.
    if (point < 0x80) {
      out += static_cast<char>(point);
    } else if (point < 0x800) {
      out += static_cast<char>(0xC0 | (point >> 6U));
      out += static_cast<char>(0x80 | (point & 0x3FU));
    } else {
      out += static_cast<char>(0xE0 | (point >> 12U));
      out += static_cast<char>(0x80 | ((point >> 6U) & 0x3FU));
      out += static_cast<char>(0x80 | (point & 0x3FU));
    }
    return true;
  }

  // Of any kind. Brackets are counted, not matched: what follows is a member of the outermost object or nothing is.
  bool skip_value() {
    std::size_t depth = 0;
    while (at_ < text_.size()) {
      const char c = here();
      if (c == '"') {
        if (!string(nullptr)) return false;
        if (depth == 0) return true;
        continue;
      }
      if (depth == 0 && (c == ',' || c == '}')) return true;
      if (c == '{' || c == '[') ++depth;
      ++at_;
      if (c != '}' && c != ']') continue;
      if (depth == 0) return false;
      if (--depth == 0) return true;
    }
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// ---- OAUTHBEARER

// RFC 4648 §5, padded or not. False: it is not base64url.
bool decode_base64url(std::string_view text, std::string& out) {
  while (text.ends_with('=')) text.remove_suffix(1);
  if (text.size() % 4 == 1) return false;
  out.reserve(text.size() * 3 / 4 + 3);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    std::uint32_t value = 0;
    if (c >= 'A' && c <= 'Z') {
      value = static_cast<std::uint32_t>(c - 'A');
    } else if (c >= 'a' && c <= 'z') {
      value = static_cast<std::uint32_t>(c - 'a') + 26;
    } else if (c >= '0' && c <= '9') {
      value = static_cast<std::uint32_t>(c - '0') + 52;
    } else if (c == '-' || c == '_') {
      value = c == '-' ? 62 : 63;
    } else {
      return false;
    }
    bits = bits << 6U | value;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> static_cast<unsigned>(count));
  }
  return true;
}

std::string jwt_subject(std::string_view token) {
  const auto message = after_gs2_header(token);
  if (!message) return {};
  constexpr std::string_view scheme = "auth=bearer ";
  const std::string_view separator("\x01", 1);
  for (std::size_t at = message->find(separator); at != std::string_view::npos;) {
    const std::size_t end = message->find(separator, at + 1);
    if (end == std::string_view::npos) return {};  // cut: the claims may be incomplete
    const std::string_view pair = message->substr(at + 1, end - at - 1);
    const bool is_token = std::ranges::equal(pair.substr(0, scheme.size()), scheme, [](char a, char b) {
      return (a >= 'A' && a <= 'Z' ? static_cast<char>(a | 0x20) : a) == b;
    });
    if (is_token) {
      const std::string_view jwt = pair.substr(scheme.size());
      const std::size_t first = jwt.find('.');
      const std::size_t second = jwt.find('.', first == std::string_view::npos ? jwt.size() : first + 1);
      if (second == std::string_view::npos) return {};
      Wiped claims;
      if (!decode_base64url(jwt.substr(first + 1, second - first - 1), claims.text)) return {};
      return kept(Members(claims.text).text_of("sub"));
    }
    at = end;
  }
  return {};
}

// "AKIDEXAMPLE/20240101/us-east-1/kafka-cluster/aws4_request"
std::string access_key(std::string_view token) {
  const std::string credential = Members(token).text_of("x-amz-credential");
  const std::size_t end = credential.find('/');
  return end == std::string::npos ? std::string() : kept(std::string_view(credential).substr(0, end));
}

}  // namespace

ClaimedPrincipal claimed_principal(std::string_view mechanism, std::span<const std::byte> token) {
  const std::string_view text = text_of(token);
  if (mechanism == "PLAIN") return {plain_name(text)};
  if (mechanism.starts_with("SCRAM-")) return scram_name(text);
  if (mechanism == "OAUTHBEARER") return {jwt_subject(text)};
  if (mechanism == "AWS_MSK_IAM") return {access_key(text)};
  return {};
}

}  // namespace kferry::kafka
