// The stores of one part of the configuration (certificates, keys, authorities, revocations) and their passwords, read
// from files or from the configuration itself. Collects all failures, so that they are reported together. The
// destructor wipes what was read.
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

// Reads a file that may contain a key. The error says why it cannot be read, with the remedy.
std::expected<Secret, std::string> read_store_file(const std::string& path);

// The store's name for an operator: its path, or the setting that contains it.
std::string name_of(const config::Store& store);

// The configuration outlives it, because stores and passwords are identified by their addresses.
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
  // Identifies this version of the files: a digest of digests.
  std::vector<std::byte> fingerprint() const;

  // --- valid for what was added without a problem
  // Refers to bytes that this object owns.
  x509::StoreFile file(const config::Store& store) const;
  // Appends to `notes` like x509::read_identity(). `now_s` is Unix time.
  std::expected<x509::Identity, Failure> identity(const config::Identity& identity, std::int64_t now_s,
                                                  std::vector<x509::Note>& notes) const;

 private:
  // A store, and what was read from it.
  struct Read {
    const config::Store* store = nullptr;
    Secret content;
  };
  struct PasswordRead {
    const config::Password* given = nullptr;
    std::string text;
  };

  void add_password(const std::optional<config::Password>& password, const std::string& where);
  // Makes no other copy.
  void copy_password(const std::optional<config::Password>& password, std::optional<std::string>& into) const;

  std::vector<Read> reads_;
  std::deque<PasswordRead> passwords_;  // a deque never moves an element, which would leave a copy behind
  std::vector<config::Problem> problems_;
};

}  // namespace kferry::certificates
