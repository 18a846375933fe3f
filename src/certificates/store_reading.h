// The stores of one part of the configuration (certificates, keys, authorities, revocations) and their passwords, read
// from files or as they stand in the configuration. Every failure is kept, so that all are told at once; what was read
// is wiped when it goes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/secret.h"
#include "config/config.h"
#include "config/load.h"
#include "x509/stores.h"

namespace kferry::certificates {

// The bytes of a file that may hold a key, or why they cannot be read, with the remedy.
std::expected<Secret, std::string> read_store_file(const std::string& path);

// What an operator calls it: its path, or the setting it stands in.
std::string name_of(const config::Store& store);

// The configuration outlives it: stores and passwords are known by their addresses.
class StoreReading {
 public:
  StoreReading() = default;
  StoreReading(const StoreReading&) = delete;
  StoreReading& operator=(const StoreReading&) = delete;
  ~StoreReading();

  // Reads them now.
  void add(const config::Store& store);
  void add(const std::optional<config::Store>& store);
  void add(const config::Identity& identity);

  std::vector<config::Problem>& problems() { return problems_; }
  // What tells this reading from another: a digest of digests.
  std::vector<std::byte> fingerprint() const;

  // --- of what was added without a problem
  // Refers to the bytes of this reading.
  x509::StoreFile file(const config::Store& store) const;
  // Appends to `notes` as x509::read_identity() does. `now_s` is Unix time.
  std::expected<x509::Identity, Failure> identity(const config::Identity& identity, std::int64_t now_s,
                                                  std::vector<x509::Note>& notes) const;

 private:
  // A store as it was read this time.
  struct Read {
    const config::Store* store = nullptr;
    Secret content;
  };
  struct PasswordRead {
    const config::Password* given = nullptr;
    std::string text;
  };

  void add_password(const std::optional<config::Password>& password, const std::string& where);
  // Leaves no other copy behind.
  void take_password(const std::optional<config::Password>& password, std::optional<std::string>& into) const;

  std::vector<Read> reads_;
  std::deque<PasswordRead> passwords_;  // none is ever moved, which would leave a copy behind
  std::vector<config::Problem> problems_;
};

}  // namespace kferry::certificates
