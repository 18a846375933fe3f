// Opens the keys of one file with its passwords. Only for this folder.
#pragma once

#include <expected>
#include <utility>
#include <vector>

#include "x509/pbe.h"
#include "x509/private_key.h"
#include "x509/store_contents.h"
#include "x509/store_file.h"
#include "x509/store_kind.h"

namespace kferry::x509 {

class KeyOpener {
 public:
  // `file` outlives it.
  KeyOpener(const StoreFile& file, StoreKind kind) : file_(file), kind_(kind) {}

  // The remaining effort allowed for opening the file.
  Effort& effort() { return effort_; }
  // The store around the keys has been opened. `passwords` may open its keys, too. `proved`: the store has proved that
  // they are right, which it cannot if it has no MAC and only its keys are encrypted.
  void store_opened(std::vector<Password> passwords, bool proved) {
    store_passwords_ = std::move(passwords);
    store_proved_ = proved;
  }

  // Sets `opened` or `refused`, unless one is already set.
  void open(HeldKey& key);

 private:
  struct Passwords;

  Passwords passwords() const;
  std::expected<KeyPtr, KeyReason> open_jks(const HeldKey& key, const Passwords& with);

  const StoreFile& file_;
  StoreKind kind_;
  Effort effort_;
  std::vector<Password> store_passwords_;
  bool store_proved_ = false;
};

}  // namespace kferry::x509
