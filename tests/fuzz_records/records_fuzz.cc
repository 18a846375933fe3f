// Fuzzes what follows a handshake: records of any type and content, well protected or damaged, cut in any way. Whatever
// comes, the other end must neither crash, hang, nor hold more than a record and its answers.
//
// Input: version, cipher and role; then per record: type, size (two bytes), how it is cut, how it is damaged, content.
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "tls/record/records.h"

using namespace kferry;
using namespace kferry::tls;

namespace {

class Input {
 public:
  explicit Input(std::span<const std::uint8_t> bytes) : bytes_(std::as_bytes(bytes)) {}
  bool empty() const { return bytes_.empty(); }
  unsigned byte() { return empty() ? 0 : std::to_integer<unsigned>(take(1)[0]); }
  std::span<const std::byte> take(std::size_t size) {
    const auto part = bytes_.first(std::min(size, bytes_.size()));
    bytes_ = bytes_.subspan(part.size());
    return part;
  }

 private:
  std::span<const std::byte> bytes_;
};

TrafficSecret secret_of(unsigned byte) {
  const std::vector<std::byte> bytes(32, static_cast<std::byte>(byte));
  return TrafficSecret(bytes);
}

constexpr std::size_t held_max = record_header_size + record_plain_max + 256;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);
int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  Input input({bytes, size});
  const unsigned kind = input.byte();
  const bool tls_1_3 = (kind & 1) != 0;
  const auto cipher = static_cast<RecordCipher>((kind >> 1) % 3);
  TrafficSecrets ours{secret_of(1), secret_of(2)};
  TrafficSecret theirs = ours.receive;
  TrafficKeys keys{ours.send.key(cipher), ours.receive.key(cipher)};
  if (!tls_1_3) {
    keys.send.version = keys.receive.version = Version::tls_1_2;
    ours = {};
  }
  Records records(keys, ours, (kind & 8) != 0 ? Remote::broker : Remote::client);
  if ((kind & 16) != 0) records.hand_over(true, (kind & 32) != 0);
  auto sealing = std::make_unique<RecordProtection>(keys.receive);
  std::vector<std::byte> room(1 + (kind & 64 ? 20'000 : 100)), record;
  Bytes say;
  while (!input.empty() && !records.failed() && !records.ended()) {
    const auto type = static_cast<RecordType>(20 + input.byte() % 5);
    const std::size_t content_size = (input.byte() << 8 | input.byte()) % (record_plain_max + 1);
    const std::size_t cut = 1 + input.byte() * 67;
    const unsigned damage = input.byte();
    std::vector<std::byte> content(content_size);
    std::ranges::copy(input.take(content_size), content.begin());
    record.resize(content_size + sealing->overhead());
    sealing->seal(type, content, record);
    if (damage > 200) record[damage % record.size()] ^= std::byte{1};
    // The key that a KeyUpdate announces; a damaged or split one ends the fuzzing with what then fails to decrypt.
    if (tls_1_3 && type == RecordType::handshake && content_size == 5 && content[0] == std::byte{24}) {
      theirs.advance();
      sealing = std::make_unique<RecordProtection>(theirs.key(cipher));
    }
    std::span<const std::byte> rest = record;
    while (!rest.empty() || records.has_plain()) {
      // A byte from elsewhere in memory, and the others: pieces that hold a record.
      const auto part = rest.first(std::min(cut, rest.size()));
      std::vector<std::byte> head(part.begin(), part.begin() + (part.empty() ? 0 : 1));
      const auto others = part.subspan(head.size());
      const std::array<iovec, 2> pieces{iovec{head.data(), head.size()},
                                        iovec{const_cast<std::byte*>(others.data()), others.size()}};
      Gather given(pieces, part.size());
      const std::size_t made = records.feed(given, room, say);
      const std::size_t taken = part.size() - given.size();
      if (given.size() > part.size() || made > room.size()) std::abort();
      if (taken == 0 && made == 0 && !records.failed()) std::abort();
      if (records.held_size() > held_max || records.record_rest() > held_max) std::abort();
      rest = rest.subspan(taken);
      if (records.failed()) break;
    }
    if (say.size() > 4096) std::abort();
    say.clear();
    while (const auto own = records.control_record()) records.control_record_sent();
  }
  if (records.failure() && (records.failure()->cause.empty() || records.failure()->text.empty() ||
                            records.failure()->text.find('\n') != std::string::npos))
    std::abort();
  return 0;
}
