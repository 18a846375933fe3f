#include "operations/log_line.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>

#include "operations/json.h"
#include "operations/utc.h"
#include "operations/utf8.h"

namespace kferry::operations {
namespace {

// A pipe that polls as writable takes this much atomically (PIPE_BUF), so lines of other processes do not mix with
// ours. An escape is at most six times as long as its byte.
static_assert(6 * (cause_size_max + subject_size_max) + 512 < line_size_max);

std::string_view name(Severity severity) {
  switch (severity) {
    case Severity::error:
      return "error";
    case Severity::warning:
      return "warning";
    case Severity::info:
      return "info";
    case Severity::debug:
      return "debug";
  }
  return "unknown";
}

constexpr std::size_t prefix_size = 3;

// Syslog's numbers, in the form of sd-daemon(3).
std::string_view prefix(Severity severity) {
  switch (severity) {
    case Severity::error:
      return "<3>";
    case Severity::warning:
      return "<4>";
    case Severity::info:
      return "<6>";
    case Severity::debug:
      return "<7>";
  }
  return "<6>";
}

// The size of the printable UTF-8 sequence at `at`; 0: what begins there is to be escaped.
std::size_t printable_size(std::string_view text, std::size_t at) {
  const auto [size, point] = utf8_at(text, at);
  return is_printable(point) ? size : 0;
}

void append_escaped(std::string& out, std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
      ++i;
    } else if (const std::size_t size = printable_size(text, i); size > 0) {
      out += text.substr(i, size);
      i += size;
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
      ++i;
    } else {
      static constexpr std::string_view digits = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(c);
      out += "\\x";
      out += digits[byte >> 4];
      out += digits[byte & 15];
      ++i;
    }
  }
}

bool needs_quotes(std::string_view text) {
  return text.empty() || !std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  std::string_view("._-:/[]%@+,").find(c) != std::string_view::npos;
         });
}

void append_value(std::string& out, std::string_view text) {
  out += needs_quotes(text) ? quoted(text) : text;
}

std::string json_line(const LogEvent& event, std::chrono::system_clock::time_point at) {
  std::string line = "{\"time\":\"" + timestamp(at) + "\",\"level\":\"";
  line.append(name(event.severity)).append("\",\"cause\":");
  line += json_string(event.cause.substr(0, cause_size_max));
  if (!event.subject.empty())
    line += ",\"subject\":" + json_string(event.subject.substr(0, subject_size_max));
  if (event.session != SessionId{}) line += ",\"session\":\"" + session_text(event.session) + '"';
  line += ",\"text\":";
  constexpr std::string_view end = "}\n";
  return line.append(json_string(event.text, line_size_max - prefix_size - line.size() - end.size()))
      .append(end);
}

std::string text_line(const LogEvent& event, std::chrono::system_clock::time_point at) {
  std::string line;
  line.reserve(256);
  line += timestamp(at);
  line.append(" level=").append(name(event.severity)).append(" cause=");
  append_value(line, event.cause.substr(0, cause_size_max));
  if (!event.subject.empty()) {
    line += " subject=";
    append_value(line, event.subject.substr(0, subject_size_max));
  }
  if (event.session != SessionId{}) line += " session=" + session_text(event.session);
  line += ' ';
  // An escape is at most four times as long as its byte. So this cuts first, then checks whether the rest fits.
  std::string end = quoted(std::string_view(event.text).substr(0, line_size_max));
  constexpr std::size_t room = line_size_max - prefix_size;
  if (line.size() + end.size() + 1 > room) {
    static constexpr std::string_view cut = "…(cut)\"";
    std::size_t keep = room - line.size() - cut.size() - 1;
    while (keep > 1 && (static_cast<unsigned char>(end[keep]) & 0xC0) == 0x80)
      --keep;  // never within a character
    end.resize(keep);
    // Never within an escape: an odd number of backslashes at the end would escape the closing quote.
    const std::size_t run = end.size() - 1 - end.find_last_not_of('\\');
    if (run % 2 == 1) end.pop_back();
    end += cut;
  }
  line += end;
  line += '\n';
  return line;
}

}  // namespace

std::string session_text(SessionId id) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016" PRIx64, number(id));
  return text.data();
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  append_escaped(out, text);
  out += '"';
  return out;
}

std::string log_line(const LogEvent& event, std::chrono::system_clock::time_point at, const LineForm& form) {
  const std::string line = form.format == LogFormat::json ? json_line(event, at) : text_line(event, at);
  return form.journal_prefix ? std::string(prefix(event.severity)) + line : line;
}

}  // namespace kferry::operations
