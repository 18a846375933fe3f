#include "operations/json_object.h"

#include <charconv>
#include <utility>

#include "operations/json.h"
#include "operations/utf8.h"

namespace kferry::operations {
namespace {

void append_utf8(std::string& out, std::uint32_t point) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (point < 0x80) return put(point);
  if (point < 0x800) {
    put(0xC0U | point >> 6U);
  } else {
    if (point < 0x10000) {
      put(0xE0U | point >> 12U);
    } else {
      put(0xF0U | point >> 18U);
      put(0x80U | (point >> 12U & 0x3FU));
    }
    put(0x80U | (point >> 6U & 0x3FU));
  }
  put(0x80U | (point & 0x3FU));
}

// Reads from the front of the text. Each function returns nullopt or false where something else is there.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool done() {
    skip_space();
    return rest_.empty();
  }
  bool take(char c) {
    skip_space();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take_word(std::string_view word) {
    skip_space();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  std::optional<std::string> string() {
    if (!take('"')) return std::nullopt;
    std::string out;
    while (!rest_.empty()) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      if (byte == '"') {
        rest_.remove_prefix(1);
        return out;
      }
      if (byte < 0x20) return std::nullopt;
      if (byte == '\\') {
        if (!escape(out)) return std::nullopt;
        continue;
      }
      const std::size_t size = byte < 0x80 ? 1 : utf8_at(rest_, 0).size;
      if (size == 0) return std::nullopt;
      out += rest_.substr(0, size);
      rest_.remove_prefix(size);
    }
    return std::nullopt;
  }
  std::optional<std::int64_t> number() {
    skip_space();
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc{}) return std::nullopt;
    const auto size = static_cast<std::size_t>(end - rest_.data());
    std::string_view digits = rest_.substr(0, size);
    if (digits.starts_with('-')) digits.remove_prefix(1);
    if (digits.size() > 1 && digits.starts_with('0')) return std::nullopt;
    rest_.remove_prefix(size);
    if (!rest_.empty() && (rest_.front() == '.' || rest_.front() == 'e' || rest_.front() == 'E'))
      return std::nullopt;
    return value;
  }

 private:
  void skip_space() {
    const auto first = rest_.find_first_not_of(" \t\r\n");
    rest_.remove_prefix(first == std::string_view::npos ? rest_.size() : first);
  }
  std::optional<std::uint32_t> four_digits() {
    std::uint32_t value = 0;
    if (rest_.size() < 4) return std::nullopt;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + 4, value, 16);
    if (error != std::errc{} || end != rest_.data() + 4) return std::nullopt;
    rest_.remove_prefix(4);
    return value;
  }
  bool escape(std::string& out) {
    static constexpr std::string_view letters = "\"\\/bfnrt";
    static constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    if (rest_.size() < 2) return false;
    const char letter = rest_[1];
    rest_.remove_prefix(2);
    if (const auto at = letters.find(letter); at != std::string_view::npos) {
      out += meanings[at];
      return true;
    }
    if (letter != 'u') return false;
    const auto high = four_digits();
    if (!high || (*high >= 0xDC00 && *high <= 0xDFFF)) return false;
    if (*high < 0xD800 || *high > 0xDBFF) {
      append_utf8(out, *high);
      return true;
    }
    if (!rest_.starts_with("\\u")) return false;
    rest_.remove_prefix(2);
    const auto low = four_digits();
    if (!low || *low < 0xDC00 || *low > 0xDFFF) return false;
    append_utf8(out, 0x10000 + ((*high - 0xD800) << 10U) + (*low - 0xDC00));
    return true;
  }

  std::string_view rest_;
};

}  // namespace

std::optional<JsonObject> JsonObject::parse(std::string_view text) {
  Reader in(text);
  JsonObject object;
  if (!in.take('{')) return std::nullopt;
  if (!in.take('}')) {
    do {
      const auto name = in.string();
      if (!name || !in.take(':')) return std::nullopt;
      Value value;
      if (auto word = in.string()) {
        value = std::move(*word);
      } else if (in.take_word("true")) {
        value = true;
      } else if (in.take_word("false")) {
        value = false;
      } else if (in.take_word("null")) {
        continue;
      } else if (const auto number = in.number()) {
        value = *number;
      } else {
        return std::nullopt;
      }
      if (!object.values_.emplace(*name, std::move(value)).second) return std::nullopt;
    } while (in.take(','));
    if (!in.take('}')) return std::nullopt;
  }
  if (!in.done()) return std::nullopt;
  return object;
}

JsonObject& JsonObject::set_text(std::string_view name, std::string_view text) {
  values_.insert_or_assign(std::string(name), std::string(text));
  return *this;
}

JsonObject& JsonObject::set_number(std::string_view name, std::int64_t number) {
  values_.insert_or_assign(std::string(name), number);
  return *this;
}

JsonObject& JsonObject::set_flag(std::string_view name, bool flag) {
  values_.insert_or_assign(std::string(name), flag);
  return *this;
}

std::string JsonObject::to_string() const {
  std::string out;
  const auto add = [&](std::string_view name, const Value& value) {
    out.append(out.empty() ? "{" : ",").append(json_string(name)).append(":");
    if (const auto* const text = std::get_if<std::string>(&value)) {
      out += json_string(*text);
    } else if (const auto* const number = std::get_if<std::int64_t>(&value)) {
      out += std::to_string(*number);
    } else {
      out += std::get<bool>(value) ? "true" : "false";
    }
  };
  const auto version = values_.find("v");
  if (version != values_.end()) add("v", version->second);
  for (auto one = values_.begin(); one != values_.end(); ++one)
    if (one != version) add(one->first, one->second);
  return out.empty() ? "{}" : out + "}";
}

}  // namespace kferry::operations
