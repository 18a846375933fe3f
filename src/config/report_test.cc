#include "config/report.h"

#include <doctest/doctest.h>

#include "config/loading_test.h"

namespace kferry::config {
namespace {

// `line` for each of `count` numbers in place of '#'.
std::string repeated(std::string_view line, int count) {
  std::string text;
  for (int i = 0; i < count; ++i)
    for (const char c : line) c == '#' ? text += std::to_string(i) : text += c;
  return text;
}

TEST_CASE("a file of unknown keys gives some hundred errors, and the number of the others") {
  constexpr int keys = 20'000;
  for (const char* line : {"unknown_# = 1\n", "prots_# = \"1\"\n"}) {
    const std::string head = *line == 'p' ? std::string(toml_plain) : std::string();
    const Loaded loaded = load_text(head + repeated(line, keys));
    REQUIRE(loaded.problems.size() > Report::shown_max);
    CHECK(loaded.problems.size() <= Report::shown_max + 1);
    CHECK(to_string(loaded.problems.back()).find("more errors not shown") != std::string::npos);
  }
  const Loaded many = load_text(repeated("[cluster.c#]\nx = 1\n", keys));
  CHECK(many.problems.size() <= Report::shown_max + 1);
  const Loaded listeners =
      load_text(std::string(toml_plain) + repeated("[cluster.a.listener.l#]\nx = 1\n", keys));
  CHECK(listeners.problems.size() <= Report::shown_max + 1);
}

TEST_CASE("unknown variables give some hundred warnings, and the number of the others") {
  Environment environment = plain();
  for (int i = 0; i < 5000; ++i) environment.emplace("GATEWAY_UNKNOWN_" + std::to_string(i), "1");
  const Loaded loaded = load_variables(std::move(environment));
  CHECK(loaded.ok());
  CHECK(loaded.warnings.size() == Report::shown_max + 1);
  CHECK(to_string(loaded.warnings.back()) ==
        "configuration: 4800 more warnings not shown: correct these first");
}

TEST_CASE("clusters and listeners are bounded") {
  const auto has = [](const Loaded& loaded, std::string_view what) {
    return std::ranges::any_of(loaded.problems,
                               [&](const Problem& one) { return one.what.find(what) != std::string::npos; });
  };
  CHECK(has(load_text(repeated("[cluster.c#.upstream]\nbootstrap_servers = \"b:1\"\n", 1001)),
            "more than 1000 clusters"));
  CHECK(has(load_text("[cluster.a.upstream]\nbootstrap_servers = \"b:1\"\n" +
                      repeated("[cluster.a.listener.l#]\nadvertised_host = \"a\"\n", 1001)),
            "cluster a has more than 1000 listeners"));
  Environment environment = plain();
  environment["GATEWAY_LISTENER_NAMES"] = repeated("l#,", 1001);
  CHECK(has(load_variables(std::move(environment)), "cluster default has more than 1000 listeners"));
}

}  // namespace
}  // namespace kferry::config
