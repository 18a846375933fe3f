#include "tls/pem.h"

#include "tls/digests.h"

namespace kferry::tls {
namespace {

constexpr std::string_view begin = "-----BEGIN ";
constexpr std::string_view end = "-----END ";
constexpr std::string_view dashes = "-----";
constexpr std::size_t line_width = 64;

// The headers of RFC 1421 end at an empty line.
std::string_view headers_of(std::string_view body) {
  const std::size_t colon = body.find(':');
  if (colon == std::string_view::npos) return {};
  std::size_t blank = body.find("\n\n");
  if (const std::size_t other = body.find("\n\r\n"); other < blank) blank = other;
  return blank < colon ? std::string_view{} : body.substr(0, blank);
}

void decode(std::string_view body, PemBlock& block) {
  block.headers = headers_of(body);
  std::string digits;
  for (const char c : body.substr(block.headers.size())) {
    if (c != '\n' && c != '\r' && c != ' ' && c != '\t') digits += c;
  }
  auto octets = parse_base64(digits);
  wipe(digits);
  if (!octets || octets->empty()) return;
  block.octets = std::move(*octets);
  block.well_formed = true;
}

}  // namespace

std::vector<PemBlock> read_pem(std::string_view text) {
  std::vector<PemBlock> blocks;
  for (std::size_t at = text.find(begin); at != std::string_view::npos; at = text.find(begin, at)) {
    PemBlock block;
    const std::size_t label = at + begin.size();
    const std::size_t label_end = text.find(dashes, label);
    const std::size_t line_end = text.find('\n', label);
    if (label_end == std::string_view::npos || label_end > line_end) {
      at = label;
      continue;
    }
    block.label = text.substr(label, label_end - label);
    const std::string closing = std::string(end).append(block.label).append(dashes);
    const std::size_t body = label_end + dashes.size();
    const std::size_t stop = text.find(closing, body);
    if (stop == std::string_view::npos) {
      block.text = text.substr(at);
      blocks.push_back(std::move(block));
      at = body;
      continue;
    }
    block.text = text.substr(at, stop + closing.size() - at);
    decode(text.substr(body, stop - body), block);
    blocks.push_back(std::move(block));
    at = stop + closing.size();
  }
  return blocks;
}

std::string write_pem(std::string_view label, std::span<const std::byte> der) {
  const std::string digits = base64(der);
  std::string text(begin);
  text.append(label).append(dashes).append("\n");
  for (std::size_t at = 0; at < digits.size(); at += line_width) {
    text.append(digits, at, line_width).append("\n");
  }
  return text.append(end).append(label).append(dashes).append("\n");
}

}  // namespace kferry::tls
