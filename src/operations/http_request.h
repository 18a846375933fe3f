// Reads the head of one HTTP request: method, path, and what is needed to judge the rest. Bytes in, verdict out; pure.
//
//   head = request line, header lines, empty line    (RFC 9112; a line may end in a bare LF, as its section 2.2 allows)
//
// Only GET and HEAD are served, so that a body has no meaning: whatever follows the head is discarded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace kferry::operations {

// Of a request line and its header lines together.
inline constexpr std::size_t http_head_size_max = 8 * 1024;

enum class HttpMethod : std::uint8_t { get, head };

struct HttpRequest {
  HttpMethod method = HttpMethod::get;
  std::string path;      // begins with '/'; without the query and fragment
  std::string accept{};  // of the Accept lines, joined by commas; empty without them
};

// The size of the head at the front of `bytes`, with its empty line; nullopt: it is not complete.
std::optional<std::size_t> http_head_size(std::string_view bytes);

// False as soon as `bytes` cannot become a request, such as a TLS ClientHello.
bool may_begin_http(std::string_view bytes);

// `head` is what http_head_size() has measured. The error is the status to answer with: 400, 405 or 505.
std::expected<HttpRequest, int> parse_http_head(std::string_view head);

}  // namespace kferry::operations
