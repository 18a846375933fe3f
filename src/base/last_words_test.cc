#include "base/last_words.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>

namespace kferry {
namespace {

// What a process writes to standard error that ends so, without the time.
std::string words_of(bool json, bool journal_prefix, std::string_view text) {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    set_form_of_last_words(json, journal_prefix);
    end_process("out_of_memory", text);
  }
  close(ends[1]);
  std::string shown;
  std::array<char, 4096> part{};
  for (ssize_t size = 0; (size = read(ends[0], part.data(), part.size())) > 0;)
    shown.append(part.data(), static_cast<std::size_t>(size));
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 1);
  const std::size_t date = shown.find("20");
  REQUIRE(date != std::string::npos);
  return shown.erase(date, std::string_view("2026-11-24T16:38:00.123Z").size());
}

TEST_CASE("the last words of a process have the form of its log") {
  CHECK(words_of(false, false, "give it more") == " level=error cause=out_of_memory \"give it more\"\n");
  CHECK(words_of(false, true, "more") == "<3> level=error cause=out_of_memory \"more\"\n");
  CHECK(words_of(true, false, "more") ==
        R"({"time":"","level":"error","cause":"out_of_memory","text":"more"})"
        "\n");
  CHECK(words_of(true, true, "more").starts_with("<3>{"));
}

TEST_CASE("the last words of a process are one line, whatever is in them") {
  CHECK(words_of(true, false, "a\"b\\c\n\xff").ends_with("\"text\":\"a?b?c??\"}\n"));
  const std::string shown = words_of(true, false, std::string(5000, 'x'));
  CHECK(shown.ends_with("x\"}\n"));
  CHECK(shown.size() < 1024);
}

}  // namespace
}  // namespace kferry
