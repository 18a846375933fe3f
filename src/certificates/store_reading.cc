#include "certificates/store_reading.h"

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include "base/read_file.h"
#include "config/text.h"
#include "tls/digests.h"

namespace kferry::certificates {
namespace {

std::string reason_of(ReadFailure failure) {
  switch (failure.error) {
    case 0:
      return std::move(failure.why);
    case ENOENT:
      return "there is no such file: correct the path, or put the file there";
    case EACCES:
    case EPERM:
      return "kferry may not read it: let kferry's user read the file, and search every folder above it";
    case EISDIR:
      return "is a folder: name the file within it";
    default:
      return "cannot be read: " + failure.why;
  }
}

}  // namespace

std::expected<Secret, std::string> read_store_file(const std::string& path) {
  auto bytes = read_file(path, x509::store_size_max);
  if (!bytes) return std::unexpected(reason_of(std::move(bytes.error())));
  return Secret(std::move(*bytes));
}

std::string name_of(const config::Store& store) {
  return store.path.empty() ? store.where : store.path;
}

void StoreReading::add(const config::Store& store) {
  add_password(store.password, store.where);
  if (store.path.empty()) {
    reads_.push_back({&store, Secret(std::as_bytes(std::span(store.text)))});
    return;
  }
  auto content = read_store_file(store.path);
  if (content) {
    reads_.push_back({&store, std::move(*content)});
  } else {
    problems_.push_back({store.where, store.path + ": " + content.error(), {}, false});
  }
}

void StoreReading::add(const std::optional<config::Store>& store) {
  if (store) add(*store);
}

void StoreReading::add(const config::Identity& identity) {
  add(identity.certificates);
  add(identity.key);
  add_password(identity.key_password, identity.certificates.where);
}

StoreReading::~StoreReading() {
  for (PasswordRead& read : passwords_) wipe(read.text);
}

std::vector<std::byte> StoreReading::fingerprint() const {
  std::vector<std::byte> all;
  for (const auto& [given, text] : passwords_) {
    const tls::Digest one = tls::digest(tls::Hash::sha256, bytes_of(text));
    all.insert(all.end(), one.bytes().begin(), one.bytes().end());
  }
  for (const Read& read : reads_) {
    const tls::Digest one = tls::digest(tls::Hash::sha256, read.content.bytes());
    all.insert(all.end(), one.bytes().begin(), one.bytes().end());
  }
  const tls::Digest digest = tls::digest(tls::Hash::sha256, all);
  return {digest.bytes().begin(), digest.bytes().end()};
}

x509::StoreFile StoreReading::file(const config::Store& store) const {
  const auto read = std::ranges::find(reads_, &store, &Read::store);
  x509::StoreFile file;
  file.name = name_of(store);
  file.bytes = read->content.bytes();
  copy_password(store.password, file.password);
  if (!store.password_name.empty()) file.password_variable = store.password_name;
  return file;
}

std::expected<x509::Identity, Failure> StoreReading::identity(const config::Identity& identity,
                                                              std::int64_t now_s,
                                                              std::vector<x509::Note>& notes) const {
  x509::KeyChoice choice;
  choice.now_s = now_s;
  choice.alias = identity.key_alias;
  choice.alias_setting = identity.key_alias_name;
  choice.hosts = identity.hosts;
  const auto with_key_password = [&](x509::StoreFile file) {
    copy_password(identity.key_password, file.key_password);
    file.key_password_variable = identity.key_password_name;
    return file;
  };
  if (!identity.key)
    return x509::read_identity(with_key_password(file(identity.certificates)), choice, notes);
  x509::StoreFile key = with_key_password(file(*identity.key));
  // A key on its own has only its own password.
  key.password_variable = identity.key_password_name;
  return x509::read_identity(file(identity.certificates), key, choice, notes);
}

// Like config::load(), which reads secrets, too.
void StoreReading::add_password(const std::optional<config::Password>& password, const std::string& where) {
  if (!password) return;
  // What a pipe held (process substitution), the configuration has read already.
  if (password->path.empty() || is_pipe(password->path)) {
    passwords_.emplace_back(&*password).text = password->text;
    return;
  }
  const auto content = read_store_file(password->path);
  if (!content) {
    problems_.push_back({where, password->path + ": " + content.error(), {}, false});
    return;
  }
  passwords_.emplace_back(&*password).text = config::without_line_end(text_of(content->bytes()));
}

void StoreReading::copy_password(const std::optional<config::Password>& password,
                                 std::optional<std::string>& into) const {
  if (!password) return;
  into.emplace(std::ranges::find(passwords_, &*password, &PasswordRead::given)->text);
}

}  // namespace kferry::certificates
