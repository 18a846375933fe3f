// A DNS server for tests: UDP on loopback, one thread, with answers set by the test. It has only what the resolver's
// tests need: A and AAAA questions, and broken answers.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace kferry::net::testing {

struct Record {
  enum class Way : std::uint8_t { answer, no_such_name, server_failure, silence, garbage, truncated_bytes };
  Way way = Way::answer;
  std::vector<std::string> v4{};
  std::vector<std::string> v6{};
  std::uint32_t ttl_s = 60;
};

class DnsServer {
 public:
  explicit DnsServer(std::uint32_t host = INADDR_LOOPBACK, std::uint16_t port = 0) {
    socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    stop_ = ::eventfd(0, EFD_CLOEXEC);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(host);
    where.sin_port = htons(port);
    socklen_t size = sizeof where;
    if (::bind(socket_, reinterpret_cast<const sockaddr*>(&where), size) != 0 ||
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&where), &size) != 0) {
      ::abort();
    }
    port_ = ntohs(where.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;
  ~DnsServer() {
    const std::uint64_t one = 1;
    if (::write(stop_, &one, sizeof one) != sizeof one) ::abort();
    thread_.join();
    ::close(socket_);
    ::close(stop_);
  }

  std::uint16_t port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  void set(const std::string& name, Record record) {
    const std::lock_guard lock(mutex_);
    records_[name] = std::move(record);
  }
  // The number of questions for A records of `name` so far.
  std::size_t asked(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return asked_[name];
  }
  void wait_until_asked(const std::string& name, std::size_t times) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return asked_[name] >= times; });
  }

 private:
  void serve() {
    while (true) {
      std::array<pollfd, 2> waiting{
          {{.fd = socket_, .events = POLLIN, .revents = 0}, {.fd = stop_, .events = POLLIN, .revents = 0}}};
      if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
      if (waiting[1].revents != 0) return;
      std::array<unsigned char, 512> bytes{};
      sockaddr_in from{};
      socklen_t from_size = sizeof from;
      const ssize_t size =
          ::recvfrom(socket_, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&from), &from_size);
      if (size < 17) continue;
      const std::string reply = reply_to(std::string(bytes.begin(), bytes.begin() + size));
      if (reply.empty()) continue;
      if (::sendto(socket_, reply.data(), reply.size(), 0, reinterpret_cast<const sockaddr*>(&from),
                   from_size) < 0) {
        continue;  // the client is gone
      }
    }
  }

  static void put16(std::string& out, unsigned value) {
    out += static_cast<char>(value >> 8);
    out += static_cast<char>(value & 255);
  }

  // RFC 1035, 4.1: header, the question unchanged, then answers that point back at its name.
  std::string reply_to(const std::string& question) {
    std::string name;
    std::size_t at = 12;
    while (at < question.size() && question[at] != 0) {
      const auto length = static_cast<unsigned char>(question[at]);
      if (!name.empty()) name += '.';
      name += question.substr(at + 1, length);
      at += 1U + length;
    }
    if (at + 5 > question.size()) return {};
    const bool v6 = question[at + 2] == 28;
    const std::size_t question_end = at + 5;
    Record record{.way = Record::Way::no_such_name};
    {
      const std::lock_guard lock(mutex_);
      if (!v6) ++asked_[name];
      if (const auto known = records_.find(name); known != records_.end()) record = known->second;
      changed_.notify_all();
    }
    if (record.way == Record::Way::silence) return {};
    const auto& texts = v6 ? record.v6 : record.v4;
    const unsigned code = record.way == Record::Way::no_such_name     ? 3
                          : record.way == Record::Way::server_failure ? 2
                                                                      : 0;
    const unsigned count = code == 0 ? static_cast<unsigned>(texts.size()) : 0;
    std::string out = question.substr(0, 2);
    put16(out, 0x8580U | code);
    put16(out, 1);
    put16(out, count);
    put16(out, 0);
    put16(out, 0);
    out += question.substr(12, question_end - 12);
    for (unsigned i = 0; i < count; ++i) {
      std::array<char, 16> bytes{};
      if (::inet_pton(v6 ? AF_INET6 : AF_INET, texts[i].c_str(), bytes.data()) != 1) ::abort();
      put16(out, 0xC00C);
      put16(out, v6 ? 28 : 1);
      put16(out, 1);
      put16(out, record.ttl_s >> 16);
      put16(out, record.ttl_s & 0xFFFF);
      put16(out, v6 ? 16 : 4);
      out.append(bytes.data(), v6 ? 16 : 4);
    }
    if (record.way == Record::Way::garbage) {
      for (std::size_t i = 12; i < out.size(); ++i) out[i] = static_cast<char>(0xC0 + i);
    }
    if (record.way == Record::Way::truncated_bytes) out.resize(out.size() - 3);
    return out;
  }

  int socket_ = -1;
  int stop_ = -1;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Record> records_;
  std::map<std::string, std::size_t> asked_;
  std::thread thread_;
};

}  // namespace kferry::net::testing
