#include "cli/style.h"

#include <unistd.h>

#include <cstdlib>

namespace kferry::cli {

bool colours_wanted(std::FILE* stream) {
  const char* no_colour = std::getenv("NO_COLOR");
  return (no_colour == nullptr || *no_colour == '\0') && isatty(fileno(stream)) == 1;
}

std::string paint(bool wanted, Colour colour, std::string_view text) {
  if (!wanted) return std::string(text);
  const char* code = "1";
  if (colour == Colour::red) code = "31";
  if (colour == Colour::green) code = "32";
  if (colour == Colour::yellow) code = "33";
  std::string out = "\x1b[";
  out.append(code).append("m").append(text).append("\x1b[0m");
  return out;
}

}  // namespace kferry::cli
