#include "x509/pem.h"

#include <openssl/evp.h>

#include <optional>

namespace kferry::x509 {
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

// Strict: padding required, nothing but the alphabet.
std::optional<Octets> parse_base64(std::string_view digits) {
  if (digits.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = digits.ends_with("==") ? 2 : digits.ends_with('=') ? 1 : 0;
  if (digits.find('=') < digits.size() - padding) return std::nullopt;
  Octets octets(digits.size() / 4 * 3);
  if (EVP_DecodeBlock(reinterpret_cast<unsigned char*>(octets.data()),
                      reinterpret_cast<const unsigned char*>(digits.data()),
                      static_cast<int>(digits.size())) < 0) {
    return std::nullopt;
  }
  octets.resize(octets.size() - padding);
  return octets;
}

std::string base64(std::span<const std::byte> octets) {
  std::string digits((octets.size() + 2) / 3 * 4 + 1, '\0');
  digits.resize(static_cast<std::size_t>(EVP_EncodeBlock(
      reinterpret_cast<unsigned char*>(digits.data()), reinterpret_cast<const unsigned char*>(octets.data()),
      static_cast<int>(octets.size()))));
  return digits;
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

}  // namespace kferry::x509
