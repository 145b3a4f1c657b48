#include "operator/kube/exec_plugin.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>

#include "common/time/rfc3339.h"

namespace pilotlight::kube {
namespace {

using nlohmann::json;
using std::chrono::steady_clock;

constexpr std::size_t kMostOutput = std::size_t{1} << 20U;

class Pipe {
 public:
  bool Open() { return ::pipe2(ends_, O_CLOEXEC) == 0; }
  ~Pipe() {
    for (const int end : ends_) {
      if (end >= 0) ::close(end);
    }
  }
  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }
  void CloseWriteEnd() {
    ::close(ends_[1]);
    ends_[1] = -1;
  }

 private:
  int ends_[2] = {-1, -1};
};

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> Environment(const ExecPlugin& plugin) {
  auto environment = ProcessEnvironment();
  for (const auto& [name, value] : plugin.env) environment[name] = value;
  environment["KUBERNETES_EXEC_INFO"] = json{
      {"apiVersion", plugin.api_version},
      {"kind", "ExecCredential"},
      {"spec", {{"interactive", false}}}}.dump();
  std::vector<std::string> result;
  for (const auto& [name, value] : environment) result.push_back(name + "=" + value);
  return result;
}

// Returns what was written until the end of file; nothing when it took too long or was too much.
std::optional<std::string> ReadAll(int fd, steady_clock::time_point deadline) {
  std::string output;
  char chunk[4096];
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now()).count();
    if (left <= 0) return std::nullopt;
    pollfd waiting{fd, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return std::nullopt;
    const ssize_t size = ::read(fd, chunk, sizeof chunk);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return std::nullopt;
    if (size == 0) return output;
    output.append(chunk, static_cast<std::size_t>(size));
    if (output.size() > kMostOutput) return std::nullopt;
  }
}

std::expected<ExecCredential, std::string> Understand(const std::string& output, const std::string& who) {
  const json document = json::parse(output, nullptr, false);
  const json status = document.is_object() ? document.value("status", json::object()) : json::object();
  if (!status.is_object()) return std::unexpected(who + ": its answer has no status");
  ExecCredential credential;
  if (const json token = status.value("token", json()); token.is_string()) credential.token = token;
  if (credential.token.empty()) {
    return std::unexpected(who + (status.contains("clientCertificateData")
                                      ? ": hands out a client certificate, which is not supported; use tokens"
                                      : ": its answer has no status.token"));
  }
  if (const json expires = status.value("expirationTimestamp", json()); expires.is_string()) {
    credential.expires = ParseTime(expires.get<std::string>());
  }
  return credential;
}

}  // namespace

std::expected<ExecCredential, std::string> RunExecPlugin(const ExecPlugin& plugin,
                                                         std::chrono::milliseconds timeout) {
  const std::string who = "exec plugin " + plugin.command;
  Pipe pipe;
  if (!pipe.Open()) return std::unexpected(who + ": no pipe: " + std::strerror(errno));

  std::vector<std::string> arguments{plugin.command};
  arguments.insert(arguments.end(), plugin.args.begin(), plugin.args.end());
  std::vector<std::string> environment = Environment(plugin);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipe.write_end(), STDOUT_FILENO);
  pid_t child = -1;
  const int failure = posix_spawnp(&child, plugin.command.c_str(), &actions, nullptr,
                                   Pointers(arguments).data(), Pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) {
    std::string error = who + ": cannot be started: " + std::strerror(failure);
    if (!plugin.install_hint.empty()) error += ". " + plugin.install_hint;
    return std::unexpected(error);
  }
  pipe.CloseWriteEnd();
  const auto output = ReadAll(pipe.read_end(), steady_clock::now() + timeout);
  if (!output) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!output) return std::unexpected(who + ": gave no answer in time, or too long a one");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return std::unexpected(who + ": failed; see what it wrote above");
  return Understand(*output, who);
}

}  // namespace pilotlight::kube
