#include "config/jaas.h"

#include <cstddef>
#include <utility>

#include "base/lower_case.h"
#include "config/text.h"

namespace kferry::config {
namespace {

bool is_word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
         c == '-' || c == '$';
}

}  // namespace

Parsed<Jaas> parse_jaas(std::string_view text) {
  // No message shows any of the text: a misplaced quote would put the password into it.
  const std::string form =
      "write org.apache.kafka.common.security.plain.PlainLoginModule required "
      "username=\"…\" password=\"…\";";
  std::size_t at = 0;
  const auto failed = [&](const std::string& what) {
    return std::unexpected(
        Fault{"the JAAS text is malformed at character " + std::to_string(at + 1) + ": " + what, form});
  };
  const auto skip_space = [&] {
    while (at < text.size() && std::string_view(" \t\r\n").find(text[at]) != std::string_view::npos) ++at;
  };
  const auto word = [&] {
    skip_space();
    const std::size_t first = at;
    while (at < text.size() && is_word_character(text[at])) ++at;
    return std::string(text.substr(first, at - first));
  };
  Jaas jaas;
  jaas.module = word();
  if (jaas.module.empty()) return failed("the login module's class is missing");
  const std::string flag = lower_case(word());
  if (flag != "required" && flag != "requisite" && flag != "sufficient" && flag != "optional") {
    return failed("the control flag (required) is missing after the class");
  }
  for (;;) {
    skip_space();
    if (at == text.size()) return failed("the closing ';' is missing");
    if (text[at] == ';') break;
    const std::string name = word();
    if (name.empty()) return failed("an option's name was expected");
    skip_space();
    if (at == text.size() || text[at] != '=') return failed("'=' was expected after an option's name");
    ++at;
    skip_space();
    std::string value;
    if (at < text.size() && (text[at] == '"' || text[at] == '\'')) {
      const char quote = text[at++];
      for (;; ++at) {
        if (at == text.size()) return failed("a quote is not closed");
        if (text[at] == quote) break;
        if (text[at] == '\\' && at + 1 < text.size()) {
          ++at;
          // Escapes of java.io.StreamTokenizer, which Kafka's parser uses.
          constexpr std::string_view letters = "nrtbfav";
          constexpr std::string_view controls = "\n\r\t\b\f\a\v";
          const auto control = letters.find(text[at]);
          if (control != std::string_view::npos) {
            value += controls[control];
          } else if (text[at] >= '0' && text[at] <= '7') {
            unsigned octal = 0;
            const std::size_t digits = text[at] <= '3' ? 3 : 2;
            std::size_t used = 0;
            while (used < digits && at + used < text.size() && text[at + used] >= '0' &&
                   text[at + used] <= '7') {
              octal = octal * 8 + static_cast<unsigned>(text[at + used] - '0');
              ++used;
            }
            at += used - 1;
            value += static_cast<char>(octal);
          } else {
            value += text[at];
          }
        } else {
          value += text[at];
        }
      }
      ++at;
    } else {
      value = word();
      if (value.empty()) return failed("an option's value was expected (quote it)");
    }
    if (!jaas.options.emplace(name, std::move(value)).second) return failed("an option is given twice");
  }
  ++at;
  skip_space();
  if (at != text.size()) return failed("only one login module is expected, with nothing after its ';'");
  return jaas;
}

}  // namespace kferry::config
