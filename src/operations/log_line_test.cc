#include "operations/log_line.h"

#include <doctest/doctest.h>

#include "operations/json_check_test.h"

namespace kferry::operations {
namespace {

using namespace std::chrono_literals;

std::string line(std::string_view cause, std::string_view subject, std::string text,
                 Severity severity = Severity::warning, LineForm form = {}, SessionId session = {}) {
  return log_line({severity, cause, subject, std::move(text), session},
                  std::chrono::system_clock::time_point(1795538280123ms), form);
}

constexpr LineForm json{.format = LogFormat::json};

TEST_CASE("one event is one line with time, level, cause and subject") {
  CHECK(line("tls_hello_on_plaintext", "10.0.0.1", "a TLS hello came in: use the TLS port") ==
        "2026-11-24T16:38:00.123Z level=warning cause=tls_hello_on_plaintext subject=10.0.0.1 "
        "\"a TLS hello came in: use the TLS port\"\n");
  CHECK(line("start_failed", "", "no", Severity::error) ==
        "2026-11-24T16:38:00.123Z level=error cause=start_failed \"no\"\n");
  CHECK(line("a", "b", "c", Severity::warning, {.journal_prefix = true}).starts_with("<4>2026-"));
}

TEST_CASE("a line about a client connection has its session, zeros in front included") {
  CHECK(line("a", "b", "c", Severity::info, {}, SessionId{0xD1F5A2B3C4E697}) ==
        "2026-11-24T16:38:00.123Z level=info cause=a subject=b session=00d1f5a2b3c4e697 \"c\"\n");
}

TEST_CASE("as JSON, a line has the same fields") {
  CHECK(line("a", "10.0.0.1", "c", Severity::info, json, SessionId{0xD1F5A2B3C4E697}) ==
        R"({"time":"2026-11-24T16:38:00.123Z","level":"info","cause":"a","subject":"10.0.0.1",)"
        R"("session":"00d1f5a2b3c4e697","text":"c"})"
        "\n");
  CHECK(line("start_failed", "", "no", Severity::error, json) ==
        R"({"time":"2026-11-24T16:38:00.123Z","level":"error","cause":"start_failed","text":"no"})"
        "\n");
  CHECK(line("a", "b", "c", Severity::error, {LogFormat::json, true}).starts_with("<3>{\"time\""));
}

TEST_CASE("as JSON, a line is valid JSON whatever bytes are in it, and at most a pipe's atomic size") {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(3, static_cast<char>(byte));
    all += text + "\xE2\x80\xAE";
    CHECK(is_json(line("byte", text, text, Severity::info, json)));
  }
  for (const std::string_view piece : {"a", "\\", "\x01", "\xc3\xbc", "\n", "\xff", "\xF0\x9F\x98\x80"}) {
    std::string text;
    for (int i = 0; i < 20'000; ++i) text += piece;
    for (std::size_t size = 3'960; size < 4'000; ++size) {
      for (const std::string& shown : {text, text.substr(0, size), text.substr(0, size / 6)}) {
        const std::string one =
            line(text, all, shown, Severity::error, {LogFormat::json, true}, SessionId{1});
        CHECK(one.size() <= 4096);
        CHECK(is_json(std::string_view(one).substr(3)));
        CHECK(one.find('\n') == one.size() - 1);
      }
    }
    CHECK(line("long", "", text, Severity::info, json).ends_with("…(cut)\"}\n"));
    CHECK(line("long", "", text, Severity::info, json).size() > 4'000);
  }
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
