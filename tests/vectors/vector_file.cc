#include "vector_file.h"

#include <charconv>
#include <cstdio>
#include <fstream>

namespace kferry::vectors {
namespace {

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(by);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

template <typename Number>
bool read_number(std::string_view text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool read_hex(std::string_view text, Bytes& out) {
  if (text.size() % 2 != 0) return false;
  out.clear();
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = nibble(text[i]);
    const int low = nibble(text[i + 1]);
    if (high < 0 || low < 0) return false;
    out.push_back(static_cast<std::byte>(high * 16 + low));
  }
  return true;
}

bool read_hex(std::string_view text, std::string& out) {
  Bytes bytes;
  if (!read_hex(text, bytes)) return false;
  out.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return true;
}

bool read_request(const std::vector<std::string_view>& f, RequestVector& r) {
  if (f.size() < 9 || !read_number(f[1], r.api) || !read_number(f[2], r.version)) return false;
  using Expect = RequestVector::Expect;
  if (f[3] == "queued")
    r.expect = Expect::queued;
  else if (f[3] == "unanswered")
    r.expect = Expect::unanswered;
  else if (f[3] == "hidden")
    r.expect = Expect::hidden;
  else if (f[3] == "refused")
    r.expect = Expect::refused;
  else if (f[3] == "own")
    r.expect = Expect::own;
  else
    return false;
  r.name = f[4];
  if (!read_number(f[5], r.correlation_id)) return false;
  if (f[6] != "-" && !read_hex(f[6], r.client_id)) return false;
  if (f[7] != "-" && !read_number(f[7], r.asked_node.emplace())) return false;
  return read_hex(f[8], r.frame) && (f.size() == 9 || read_hex(f[9], r.own_answer));
}

bool read_keys(std::string_view text, std::vector<std::int16_t>& out) {
  if (text.empty()) return true;
  for (const std::string_view key : split(text, ','))
    if (!read_number(key, out.emplace_back())) return false;
  return true;
}

bool read_lesson(std::string_view text, ResponseVector& r) {
  if (text == "-") return true;
  const auto parts = split(text, ':');
  if (parts.size() != 3 || parts[0].size() != 1) return false;
  r.teaches = parts[0][0];
  if (r.teaches == 'H') return read_keys(parts[1], r.hidden) && read_keys(parts[2], r.dropped);
  if (parts[1] != "~" && !read_hex(parts[1], r.cluster_id.emplace())) return false;
  if (parts[2].empty()) return true;
  for (const std::string_view entry : split(parts[2], ';')) {
    const auto fields = split(entry, ',');
    LearntBroker& broker = r.brokers.emplace_back();
    if (fields.size() != 3 || !read_number(fields[0], broker.id) || !read_hex(fields[1], broker.host) ||
        !read_number(fields[2], broker.port))
      return false;
  }
  return true;
}

bool read_response(const std::vector<std::string_view>& f, ResponseVector& r) {
  if (f.size() != 9 || !read_number(f[1], r.api) || !read_number(f[2], r.version)) return false;
  r.every_split = f[3].find('r') != std::string_view::npos;
  r.streams = f[3].find('s') != std::string_view::npos;
  r.name = f[4];
  if (!read_lesson(f[5], r) || !read_hex(f[6], r.request) || !read_hex(f[7], r.before)) return false;
  if (f[8] != "=") return read_hex(f[8], r.after);
  r.after = r.before;
  return true;
}

}  // namespace

bool read_vectors(const std::string& path, const std::function<void(const RequestVector&)>& on_request,
                  const std::function<void(const ResponseVector&)>& on_response) {
  std::ifstream file(path);
  if (!file) {
    std::fprintf(stderr, "cannot read %s: make it with tests/vectors/generate.py\n", path.c_str());
    return false;
  }
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    const auto fields = split(line, ' ');
    bool good = true;
    if (fields[0] == "request") {
      RequestVector vector;
      good = read_request(fields, vector);
      if (good) on_request(vector);
    } else if (fields[0] == "response") {
      ResponseVector vector;
      good = read_response(fields, vector);
      if (good) on_response(vector);
    } else {
      good = fields[0] == "table";
    }
    if (!good) {
      std::fprintf(stderr, "%s:%zu is not of the vectors' format: make it afresh\n", path.c_str(), number);
      return false;
    }
  }
  return true;
}

std::string to_hex(const Bytes& bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    text.push_back(digits[static_cast<unsigned>(b) >> 4]);
    text.push_back(digits[static_cast<unsigned>(b) & 15U]);
  }
  return text;
}

}  // namespace kferry::vectors
