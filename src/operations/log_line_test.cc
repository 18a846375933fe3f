#include "operations/log_line.h"

#include <doctest/doctest.h>

namespace kferry::operations {
namespace {

using namespace std::chrono_literals;

std::string line(std::string_view cause, std::string_view subject, std::string text,
                 Severity severity = Severity::warning, bool journal_prefix = false) {
  return log_line({severity, cause, subject, std::move(text)},
                  std::chrono::system_clock::time_point(1795538280123ms), journal_prefix);
}

TEST_CASE("one event is one line with time, level, cause and subject") {
  CHECK(line("tls_hello_on_plaintext", "10.0.0.1", "a TLS hello came in: use the TLS port") ==
        "2026-11-24T16:38:00.123Z level=warning cause=tls_hello_on_plaintext subject=10.0.0.1 "
        "\"a TLS hello came in: use the TLS port\"\n");
  CHECK(line("start_failed", "", "no", Severity::error) ==
        "2026-11-24T16:38:00.123Z level=error cause=start_failed \"no\"\n");
  CHECK(line("a", "b", "c", Severity::warning, true).starts_with("<4>2026-"));
}

TEST_CASE("hostile text cannot forge a line, a field or a terminal command") {
  const std::string forged =
      line("x", "a b=\"c\"\nlevel=error", "one\r\ntwo\"\\\x1b[2J\x7f\t" + std::string(1, '\0') + "end");
  CHECK(forged.substr(forged.find("cause=")) ==
        R"(cause=x subject="a b=\"c\"\nlevel=error" "one\r\ntwo\"\\\x1b[2J\x7f\t\x00end")"
        "\n");
}

TEST_CASE("UTF-8 is kept; invalid bytes, and characters that reverse or break lines, are escaped") {
  CHECK(quoted("gr\xc3\xbc\xc3\x9f") == "\"gr\xc3\xbc\xc3\x9f\"");
  CHECK(quoted("\xf0\x9f\x98\x80") == "\"\xf0\x9f\x98\x80\"");
  CHECK(quoted("\xff") == "\"\\xff\"");
  CHECK(quoted("\xc0\x8a") == "\"\\xc0\\x8a\"");           // an overlong line feed
  CHECK(quoted("\xc2\x85") == "\"\\xc2\\x85\"");           // next line
  CHECK(quoted("\xe2\x80\xa8") == "\"\\xe2\\x80\\xa8\"");  // line separator
  CHECK(quoted("\xe2\x80\xae") == "\"\\xe2\\x80\\xae\"");  // right to left
  CHECK(quoted("\xed\xa0\x80") == "\"\\xed\\xa0\\x80\"");  // a surrogate
  CHECK(quoted("\xe2\x82") == "\"\\xe2\\x82\"");           // truncated
}

TEST_CASE("every byte gives a single printable line") {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(3, static_cast<char>(byte));
    const std::string shown = line("byte", text, text);
    CHECK(shown.find('\n') == shown.size() - 1);
    for (const char c : shown.substr(0, shown.size() - 1)) CHECK((c >= 0x20 && c < 0x7F));
  }
}

TEST_CASE("a long line is cut within its quotes, to a pipe's atomic size") {
  for (const std::string_view piece : {"a", "\\", "\x01", "\xc3\xbc", "\n"}) {
    std::string text;
    while (text.size() < 20'000) text += piece;
    const std::string shown = line("long", piece, text);
    CHECK(shown.size() <= 4096);
    CHECK(shown.ends_with("…(cut)\"\n"));
    CHECK(shown.find('\n') == shown.size() - 1);
    CHECK(shown.size() > 4000);
  }
}

}  // namespace
}  // namespace kferry::operations
