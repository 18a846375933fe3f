// Kafka's primitives, written by hand from the protocol and sharing nothing with src/kafka, so that a mistake
// there is not repeated here; and bytes that can be made again from a number.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>

namespace kferry::simulation {

// Chances of one run, all from its seed.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : source_(seed) {}
  std::uint64_t below(std::uint64_t end) { return end == 0 ? 0 : source_() % end; }
  // Both included.
  template <typename Number>
  Number between(Number low, Number high) {
    return static_cast<Number>(low + static_cast<Number>(below(static_cast<std::uint64_t>(high - low) + 1)));
  }
  bool one_in(std::uint64_t times) { return below(times) == 0; }
  template <typename Range>
  const auto& of(const Range& range) {
    return *(std::begin(range) + static_cast<std::ptrdiff_t>(below(std::size(range))));
  }

 private:
  std::mt19937_64 source_;
};

// `size` bytes that only `key` gives.
std::string filler(std::uint64_t key, std::size_t size);

// Appends big-endian primitives.
class Writer {
 public:
  void i8(int value) { number(static_cast<std::uint64_t>(value), 1); }
  void i16(int value) { number(static_cast<std::uint64_t>(value), 2); }
  void i32(std::int32_t value) { number(static_cast<std::uint64_t>(value), 4); }
  void i64(std::int64_t value) { number(static_cast<std::uint64_t>(value), 8); }
  void uvarint(std::uint32_t value);
  // An array's count in either form.
  void count(std::size_t elements, bool compact);
  void string(std::optional<std::string_view> text, bool compact);
  void uuid(std::uint64_t key) { raw(filler(key, 16)); }
  void raw(std::string_view bytes) { out_.append(bytes); }

  std::size_t size() const { return out_.size(); }
  // The bytes with their own number in front.
  std::string frame() const;
  std::string take() { return std::move(out_); }

 private:
  void number(std::uint64_t value, int bytes);
  std::string out_;
};

// The big-endian integer of `bytes` at `at`; the caller has checked that it is there.
std::uint64_t number_at(std::string_view bytes, std::size_t at, int size);

}  // namespace kferry::simulation
