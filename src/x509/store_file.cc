#include "x509/store_file.h"

#include "base/secret.h"

namespace kferry::x509 {
namespace {

bool ends_in_blank(const std::optional<std::string>& password) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  return password && !password->empty() && (blank(password->front()) || blank(password->back()));
}
}  // namespace

StoreFile::~StoreFile() {
  if (password) wipe(*password);
  if (key_password) wipe(*key_password);
}

std::unexpected<Failure> fail(const StoreFile& file, std::string_view cause, std::string_view words) {
  return std::unexpected(Failure{cause, file.name + ": " + std::string(words)});
}
std::string correct(const std::string& variable, const std::optional<std::string>& password) {
  return "correct " + variable +
         (ends_in_blank(password) ? ", which begins or ends with a blank or a line end" : "");
}
}  // namespace kferry::x509
