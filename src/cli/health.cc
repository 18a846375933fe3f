// `kferry health`: asks a running kferry for its health, as a probe of a container image without a shell or curl. Reads
// the same configuration as `run`, of which only the address of the HTTP endpoint matters: other errors in it do not
// concern the kferry that runs already. The body goes to stdout; exit status 0 if the answer is 200, else 1.
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <expected>
#include <string>
#include <string_view>

#include "base/printable.h"
#include "base/socket_address.h"
#include "cli/commands.h"
#include "cli/problems.h"
#include "config/load.h"

namespace kferry::cli {
namespace {

// Of each step: to connect, to send, for the next piece of the answer.
constexpr timeval step_timeout{5, 0};
constexpr std::size_t answer_size_max = std::size_t{1024} * 1024;

std::string_view path_of(HealthOptions::Question question) {
  switch (question) {
    case HealthOptions::Question::live:
      return "/health/live";
    case HealthOptions::Question::serving:
      return "/health/serving";
    case HealthOptions::Question::ready:
      break;
  }
  return "/health/ready";
}

// Where the endpoint is reached from this host.
SocketAddress endpoint(const config::Operations& operations) {
  const auto bound = SocketAddress::parse(operations.bind_host, operations.port);
  if (bound && !bound->is_wildcard()) return *bound;
  const bool six = bound && bound->family() == AF_INET6;
  return *SocketAddress::parse(six ? "::1" : "127.0.0.1", operations.port);
}

std::string failure(int error) {
  return error == EAGAIN || error == EINPROGRESS ? "no answer in time" : std::strerror(error);
}

// The whole answer. The error says why none came.
std::expected<std::string, std::string> ask(const SocketAddress& where, std::string_view path) {
  const int fd = socket(where.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::unexpected(failure(errno));
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &step_timeout, sizeof step_timeout);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &step_timeout, sizeof step_timeout);
  const std::string request =
      "GET " + std::string(path) + " HTTP/1.1\r\nHost: " + where.text() + "\r\nConnection: close\r\n\r\n";
  std::expected<std::string, std::string> answer;
  if (connect(fd, where.get(), where.size()) != 0 ||
      send(fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
    answer = std::unexpected(failure(errno));
  }
  std::array<char, 4096> part{};
  while (answer && answer->size() < answer_size_max) {
    const ssize_t got = recv(fd, part.data(), part.size(), 0);
    if (got == 0) break;
    if (got < 0) {
      answer = std::unexpected(failure(errno));
    } else {
      answer->append(part.data(), static_cast<std::size_t>(got));
    }
  }
  close(fd);
  return answer;
}

}  // namespace

int health(const HealthOptions& options) {
  const auto sources = config::system_sources(options.config_path);
  if (!sources) {
    print_problems({sources.error()});
    return exit_failure;
  }
  const SocketAddress where = endpoint(config::load(*sources).config.operations);
  const auto answer = ask(where, path_of(options.question));
  if (!answer) {
    std::fprintf(stderr, "kferry health: %s: %s: does kferry run here, with this configuration?\n",
                 where.text().c_str(), answer.error().c_str());
    return exit_failure;
  }
  const std::size_t body = answer->find("\r\n\r\n");
  if (!answer->starts_with("HTTP/1.1 ") || body == std::string::npos) {
    std::fprintf(stderr, "kferry health: %s answers, but does not speak HTTP: is it kferry?\n",
                 where.text().c_str());
    return exit_failure;
  }
  const std::string_view text = std::string_view(*answer).substr(body + 4);
  std::printf("%s\n", without_controls(text.substr(0, text.find_last_not_of("\r\n") + 1)).c_str());
  return answer->starts_with("HTTP/1.1 200 ") ? exit_well : exit_failure;
}

}  // namespace kferry::cli
