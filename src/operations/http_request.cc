#include "operations/http_request.h"

#include <algorithm>
#include <utility>

namespace kferry::operations {
namespace {

constexpr int bad_request = 400;
constexpr int method_not_allowed = 405;
constexpr int version_not_supported = 505;

// RFC 9110, section 5.6.2.
bool is_token_character(char c) {
  if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) return true;
  return c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_token_character);
}

bool equal_without_case(std::string_view text, std::string_view lower) {
  return std::ranges::equal(text, lower, [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

// Removes the first line from `text` and returns it without its end.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// A server should ignore empty lines before a request (RFC 9112, section 2.2).
std::size_t leading_line_ends(std::string_view bytes) {
  const std::size_t first = bytes.find_first_not_of("\r\n");
  return first == std::string_view::npos ? bytes.size() : first;
}

// "/path?query" or "http://host/path?query" as a path; empty if it is neither.
std::string_view path_of(std::string_view target) {
  if (!std::ranges::all_of(target, [](char c) { return c > ' ' && c < '\x7F'; })) return {};
  if (target.size() > 7 && equal_without_case(target.substr(0, 7), "http://")) {
    const std::size_t slash = target.find('/', 7);
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  if (!target.starts_with('/')) return {};
  return target.substr(0, target.find_first_of("?#"));
}

// 0: HTTP/1.x; else the status to answer with.
int judge_version(std::string_view version, bool& needs_host) {
  const auto digit = [&](std::size_t at) { return version[at] >= '0' && version[at] <= '9'; };
  if (version.size() != 8 || !version.starts_with("HTTP/") || !digit(5) || version[6] != '.' || !digit(7))
    return bad_request;
  if (version[5] != '1') return version_not_supported;
  needs_host = version[7] != '0';
  return 0;
}

}  // namespace

std::optional<std::size_t> http_head_size(std::string_view bytes) {
  std::size_t at = leading_line_ends(bytes);
  while (at < bytes.size()) {
    const std::size_t end = bytes.find('\n', at);
    if (end == std::string_view::npos) break;
    const std::string_view line = bytes.substr(at, end - at);
    at = end + 1;
    if (line.empty() || line == "\r") return at;
  }
  return std::nullopt;
}

bool may_begin_http(std::string_view bytes) {
  bytes.remove_prefix(leading_line_ends(bytes));
  const std::string_view method = bytes.substr(0, bytes.find(' '));
  return bytes.empty() || is_token(method);
}

std::expected<HttpRequest, int> parse_http_head(std::string_view head) {
  head.remove_prefix(leading_line_ends(head));
  const std::string_view line = take_line(head);
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return std::unexpected(bad_request);
  const std::string_view method = line.substr(0, first);
  const std::string_view path = path_of(line.substr(first + 1, last - first - 1));
  bool needs_host = false;
  if (!is_token(method)) return std::unexpected(bad_request);
  if (const int status = judge_version(line.substr(last + 1), needs_host); status != 0)
    return std::unexpected(status);

  std::size_t hosts = 0;
  std::string accept;
  while (!head.empty()) {
    const std::string_view field = take_line(head);
    if (field.empty()) break;
    const std::size_t colon = field.find(':');
    if (colon == std::string_view::npos || !is_token(field.substr(0, colon)))
      return std::unexpected(bad_request);
    const std::string_view value = field.substr(colon + 1);
    if (std::ranges::any_of(value, [](char c) { return (c >= '\0' && c < ' ' && c != '\t') || c == '\x7F'; }))
      return std::unexpected(bad_request);
    if (equal_without_case(field.substr(0, colon), "host")) ++hosts;
    if (equal_without_case(field.substr(0, colon), "accept"))
      accept.append(accept.empty() ? "" : ",").append(value);
  }
  if (hosts > 1 || (needs_host && hosts == 0)) return std::unexpected(bad_request);
  if (method != "GET" && method != "HEAD") return std::unexpected(method_not_allowed);
  if (path.empty()) return std::unexpected(bad_request);
  return HttpRequest{method == "HEAD" ? HttpMethod::head : HttpMethod::get, std::string(path),
                     std::move(accept)};
}

}  // namespace kferry::operations
