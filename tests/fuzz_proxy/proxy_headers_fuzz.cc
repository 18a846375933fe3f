// Fuzzes what a load balancer may send first. Whatever comes, and wherever it is cut, the outcome of a longer piece
// never contradicts that of a shorter one, and what a header names is bounded.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "net/proxy_header.h"

using namespace kferry::net;

namespace {

void expect(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);
int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using State = ProxyRead::State;
  const auto input = std::as_bytes(std::span(bytes, size));
  ProxyHeader header;
  const ProxyRead whole = read_proxy_header(input, header);
  expect(whole.state != State::complete || (whole.size > 0 && whole.size <= size));
  expect(whole.state == State::complete || whole.size == 0);
  expect((whole.state == State::malformed) == !whole.fault.empty());
  if (whole.state == State::complete) {
    expect(whole.size <= proxy_header_size_max && header.authority.size() <= 255);
    expect(header.version == 1 || header.version == 2);
    expect(!header.endpoint || (header.endpoint->id.size() <= 64 && !header.endpoint->text().empty()));
    expect(header.command == ProxyHeader::Command::proxy || header.source.empty());
  }
  if (whole.state == State::incomplete) expect(size < proxy_header_size_max);
  for (std::size_t cut = 0; cut < size && cut < 600; ++cut) {
    ProxyHeader part;
    const ProxyRead read = read_proxy_header(input.first(cut), part);
    switch (read.state) {
      case State::incomplete:
        break;
      case State::complete:
        expect(whole.state == State::complete && whole.size == read.size && part.source == header.source &&
               part.authority == header.authority);
        break;
      case State::absent:
      case State::malformed:
        expect(whole.state == read.state);
        break;
    }
  }
  return 0;
}
