#include "x509/pem.h"

#include <openssl/evp.h>

#include <algorithm>
#include <optional>

namespace kferry::x509 {
namespace {

constexpr std::string_view begin = "-----BEGIN ";
constexpr std::string_view end = "-----END ";
constexpr std::string_view dashes = "-----";
constexpr std::string_view line_ends = "\r\n";
constexpr std::string_view blanks = " \t\r\n\v\f";
constexpr std::size_t line_width = 64;

// The leading lines with a colon, which base64 never contains.
std::string_view headers_of(std::string_view body) {
  std::size_t size = 0;
  std::size_t at = body.find_first_not_of(blanks);
  while (at != std::string_view::npos) {
    const std::size_t stop = std::min(body.find_first_of(line_ends, at), body.size());
    if (body.substr(at, stop - at).find(':') == std::string_view::npos) break;
    size = stop;
    at = body.find_first_not_of(blanks, stop);
  }
  return body.substr(0, size);
}

// Strict: padding is required, and only characters of the alphabet are allowed.
std::optional<Bytes> parse_base64(std::string_view digits) {
  if (digits.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = digits.ends_with("==") ? 2 : digits.ends_with('=') ? 1 : 0;
  if (digits.find('=') < digits.size() - padding) return std::nullopt;
  Bytes bytes(digits.size() / 4 * 3);
  if (EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                      reinterpret_cast<const unsigned char*>(digits.data()),
                      static_cast<int>(digits.size())) < 0) {
    return std::nullopt;
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

std::string base64(std::span<const std::byte> bytes) {
  std::string digits((bytes.size() + 2) / 3 * 4 + 1, '\0');
  digits.resize(static_cast<std::size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(digits.data()),
                                                         reinterpret_cast<const unsigned char*>(bytes.data()),
                                                         static_cast<int>(bytes.size()))));
  return digits;
}

void decode(std::string_view body, PemBlock& block) {
  block.headers = headers_of(body);
  body.remove_prefix(block.headers.size());
  std::string digits;
  digits.reserve(body.size());  // growing would leave copies of a key behind
  for (const char c : body) {
    if (blanks.find(c) == std::string_view::npos) digits += c;
  }
  auto bytes = parse_base64(digits);
  wipe(digits);
  if (!bytes || bytes->empty()) return;
  block.bytes = std::move(*bytes);
  block.well_formed = true;
}

// Counts lines that end in LF, CRLF or CR.
class LineCounter {
 public:
  explicit LineCounter(std::string_view text) : text_(text) {}

  std::size_t line_at(std::size_t at) {
    for (; at_ < at; ++at_) {
      const bool cr_of_crlf = text_[at_] == '\r' && text_.substr(at_ + 1).starts_with('\n');
      if (line_ends.find(text_[at_]) != std::string_view::npos && !cr_of_crlf) ++line_;
    }
    return line_;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
};

}  // namespace

std::vector<PemBlock> read_pem(std::string_view text) {
  std::vector<PemBlock> blocks;
  LineCounter lines(text);
  std::size_t previous_end = 0;
  for (std::size_t at = text.find(begin); at != std::string_view::npos; at = text.find(begin, at)) {
    const std::size_t label = at + begin.size();
    const std::size_t label_end = text.find(dashes, label);
    if (label_end == std::string_view::npos) break;
    PemBlock block;
    block.label = text.substr(label, label_end - label);
    if (block.label.empty() || block.label.find_first_of(line_ends) != std::string_view::npos) {
      at = label;
      continue;
    }
    block.before = text.substr(previous_end, at - previous_end);
    block.line = lines.line_at(at);
    const std::size_t body = label_end + dashes.size();
    // The next BEGIN line ends a block without an END line.
    const std::size_t next = std::min(text.find(begin, body), text.size());
    const std::size_t stop = std::min(text.substr(0, next).find(end, body), next);
    const std::string closing = std::string(end).append(block.label).append(dashes);
    const bool closed = text.substr(stop).starts_with(closing);
    if (closed) decode(text.substr(body, stop - body), block);
    blocks.push_back(std::move(block));
    at = previous_end = closed ? stop + closing.size() : stop;
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
