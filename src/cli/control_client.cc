#include "cli/control_client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/printable.h"
#include "config/load.h"
#include "operations/control_server.h"

namespace kferry::cli {
namespace {

using operations::JsonObject;

// Of each step. A reload may read many certificates.
constexpr timeval step_timeout{120, 0};
constexpr std::size_t answer_size_max = std::size_t{4} * 1024 * 1024;

std::string remedy_for(int error) {
  if (error == ENOENT || error == ECONNREFUSED)
    return ": does kferry run here, with this control socket? --control names another";
  if (error == ECONNRESET || error == EPIPE)
    return ": the kferry that was asked has just ended or been replaced: ask again";
  if (error == EACCES || error == EPERM) return ": run as kferry's user or as root";
  return "";
}

struct Descriptor {
  explicit Descriptor(int owned) : fd(owned) {}
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  const int fd;
};

}  // namespace

std::string control_path(const std::optional<std::string>& given,
                         const std::optional<std::string>& config_path) {
  if (given) return *given;
  const auto sources = config::system_sources(config_path);
  return sources ? config::load(*sources).config.operations.control : config::Operations{}.control;
}

std::expected<std::vector<JsonObject>, std::string> ask_control(
    const std::string& path, const JsonObject& request,
    const std::function<void(const JsonObject&)>& on_line) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return std::unexpected(path + ": too long for a socket's path");
  path.copy(address.sun_path, path.size());
  const Descriptor connection(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto failed = [&](int error) {
    const char* const text = error == EAGAIN ? "no answer in time" : std::strerror(error);
    return std::unexpected(path + ": " + text + remedy_for(error));
  };
  if (connection.fd < 0) return failed(errno);
  setsockopt(connection.fd, SOL_SOCKET, SO_SNDTIMEO, &step_timeout, sizeof step_timeout);
  setsockopt(connection.fd, SOL_SOCKET, SO_RCVTIMEO, &step_timeout, sizeof step_timeout);
  if (connect(connection.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return failed(errno);
  JsonObject versioned = request;
  const std::string line = versioned.set_number("v", operations::control_version).to_string() + "\n";
  if (send(connection.fd, line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
    return failed(errno);
  std::vector<JsonObject> answer;
  std::string text;
  std::array<char, 4096> part{};
  for (std::size_t size = 0; size <= answer_size_max;) {
    const ssize_t got = recv(connection.fd, part.data(), part.size(), 0);
    if (got < 0) return failed(errno);
    if (got == 0) return std::unexpected(path + ": the answer was cut short: see kferry's log");
    size += static_cast<std::size_t>(got);
    text.append(part.data(), static_cast<std::size_t>(got));
    for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
      auto object = JsonObject::parse(std::string_view(text).substr(0, end));
      text.erase(0, end + 1);
      if (!object) return std::unexpected(path + ": the answer cannot be read: is it kferry?");
      const bool last = object->text("type") == "result";
      on_line(*object);
      answer.push_back(std::move(*object));
      if (last) return answer;
    }
  }
  return std::unexpected(path + ": the answer is too long");
}

std::optional<std::vector<JsonObject>> ask_or_explain(const std::string& verb, const std::string& path,
                                                      const JsonObject& request,
                                                      const std::function<void(const JsonObject&)>& on_line) {
  auto answer = ask_control(path, request, on_line);
  if (answer) return std::move(*answer);
  std::fprintf(stderr, "kferry %s: %s\n", verb.c_str(), answer.error().c_str());
  return std::nullopt;
}

std::string shown_text(const JsonObject& line) {
  return without_controls(line.text("text").value_or(""));
}

bool print_result(const JsonObject& result) {
  const bool well = result.flag("ok").value_or(false);
  std::fprintf(well ? stdout : stderr, "%s\n", shown_text(result).c_str());
  return well;
}

}  // namespace kferry::cli
