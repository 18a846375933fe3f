#include "tls/ticket_keys.h"

#include <wolfssl/options.h>
// The options come first: they decide the layout of what the others declare.
#include <wolfssl/wolfcrypt/aes.h>

#include <algorithm>

#include "base/assert.h"
#include "tls/digests.h"

namespace kferry::tls {
namespace {

constexpr std::size_t key_size = 32;

const byte* in(std::span<const std::byte> bytes) {
  return reinterpret_cast<const byte*>(bytes.data());
}

byte* out(std::span<std::byte> bytes) {
  return reinterpret_cast<byte*>(bytes.data());
}

word32 size32(std::span<const std::byte> bytes) {
  return static_cast<word32>(bytes.size());
}

// Holds the key for one ticket, then wipes it.
class Gcm {
 public:
  explicit Gcm(const Secret& key) {
    KFERRY_ASSERT(wc_AesInit(&aes_, nullptr, INVALID_DEVID) == 0);
    KFERRY_ASSERT(wc_AesGcmSetKey(&aes_, in(key.bytes()), size32(key.bytes())) == 0);
  }
  Gcm(const Gcm&) = delete;
  Gcm& operator=(const Gcm&) = delete;
  ~Gcm() { wc_AesFree(&aes_); }

  Aes* operator&() { return &aes_; }

 private:
  Aes aes_{};
};

}  // namespace

TicketKeys::TicketKeys(Instant now) {
  add(now);
}

void TicketKeys::add(Instant now) {
  Key fresh;
  fresh.made = now;
  random_bytes(fresh.name);
  Bytes bytes(key_size);
  random_bytes(bytes);
  fresh.key = Secret(std::move(bytes));
  keys_.push_front(std::move(fresh));
}

void TicketKeys::advance(Instant now) {
  const std::lock_guard lock(mutex_);
  if (now - keys_.front().made < std::chrono::seconds(ticket_key_period_s)) return;
  add(now);
  // The last ticket under a key is as old as the next key.
  while (keys_.size() > 1 && now - keys_[keys_.size() - 2].made >= std::chrono::seconds(ticket_lifetime_s)) {
    keys_.pop_back();
  }
  KFERRY_ASSERT(keys_.size() <= ticket_keys_max);
}

TicketKeys::Sealed TicketKeys::seal(std::span<std::byte> ticket, std::span<const std::byte> bound_to) {
  const std::lock_guard lock(mutex_);
  const Key& key = keys_.front();
  Sealed sealed{key.name, {}, {}};
  // A random 96-bit nonce is safe for 2^32 tickets, far more than one key seals in its hour.
  random_bytes(sealed.nonce);
  Gcm gcm(key.key);
  KFERRY_ASSERT(wc_AesGcmEncrypt(&gcm, out(ticket), in(ticket), size32(ticket), in(sealed.nonce),
                                 size32(sealed.nonce), out(sealed.tag), size32(sealed.tag), in(bound_to),
                                 size32(bound_to)) == 0);
  return sealed;
}

TicketKeys::Opened TicketKeys::open(std::span<std::byte> ticket, const Sealed& sealed,
                                    std::span<const std::byte> bound_to) {
  const std::lock_guard lock(mutex_);
  const auto key = std::ranges::find(keys_, sealed.name, &Key::name);
  if (key == keys_.end()) return Opened::no;
  Gcm gcm(key->key);
  if (wc_AesGcmDecrypt(&gcm, out(ticket), in(ticket), size32(ticket), in(sealed.nonce), size32(sealed.nonce),
                       in(sealed.tag), size32(sealed.tag), in(bound_to), size32(bound_to)) != 0) {
    return Opened::no;
  }
  return key == keys_.begin() ? Opened::yes : Opened::yes_renew;
}

std::vector<TicketKeys::Handed> TicketKeys::hand_over(Instant now) const {
  const std::lock_guard lock(mutex_);
  std::vector<Handed> handed;
  for (const Key& key : keys_) {
    const auto bytes = key.key.bytes();
    handed.push_back({key.name, Secret(Bytes(bytes.begin(), bytes.end())), now - key.made});
  }
  return handed;
}

void TicketKeys::take_over(std::vector<Handed> keys, Instant now) {
  std::erase_if(keys, [](const Handed& one) {
    return one.key.bytes().size() != key_size || one.age < Duration::zero() ||
           one.age >= std::chrono::seconds(ticket_lifetime_s + ticket_key_period_s);
  });
  std::ranges::sort(keys, {}, &Handed::age);
  if (keys.size() > ticket_keys_max) keys.resize(ticket_keys_max);
  if (keys.empty()) return;
  const std::lock_guard lock(mutex_);
  keys_.clear();
  for (Handed& one : keys) keys_.push_back({one.name, std::move(one.key), now - one.age});
}

std::size_t TicketKeys::size() const {
  const std::lock_guard lock(mutex_);
  return keys_.size();
}

}  // namespace kferry::tls
