// Fuzzes the reading of stores as a whole: recognition, PEM, PKCS12, PKCS7, DER, keys and their encryption, the choice
// of a key and the order of its chain. Whatever the bytes are, a message has one line and shows no password, and what
// was read holds together.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "x509/certificate.h"
#include "x509/key_match.h"
#include "x509/stores.h"

using namespace kferry;
using namespace kferry::x509;

namespace {

constexpr const char* password = "changeit";

void require(bool holds) {
  if (!holds) std::abort();
}

void check_line(const std::string& text) {
  require(!text.empty() && text.find('\n') == std::string::npos && text.find(password) == std::string::npos);
}

template <typename Read>
void check(const Read& read, const std::vector<Note>& notes) {
  for (const Note& note : notes) check_line(note.text);
  if (read) return;
  check_line(read.error().text);
  require(!read.error().cause.empty());
}

void read_all(const StoreFile& file) {
  std::vector<Note> notes;
  const auto identity = x509::read_identity(
      file,
      {.alias = {}, .alias_setting = "KEY_ALIAS", .hosts = {"b-{{nodeId}}.example"}, .now_s = 1'800'000'000},
      notes);
  check(identity, notes);
  if (identity) {
    require(!identity->chain.empty() && identity->chain.size() <= chain_size_max);
    const auto leaf = read_certificate(identity->chain.front());
    require(leaf && keys_match(leaf->public_key, identity->key.bytes()));
  }
  notes.clear();
  check(read_authorities(file, Role::client, notes), notes);
  notes.clear();
  check(read_revocations(file, notes), notes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);
int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  StoreFile file;
  file.name = "store";
  file.bytes = std::as_bytes(std::span(bytes, size));
  read_all(file);
  file.password = password;
  read_all(file);
  return 0;
}
