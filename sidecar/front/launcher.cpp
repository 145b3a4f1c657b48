#include "sidecar/front/launcher.h"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <format>
#include <system_error>
#include <vector>

#include "sidecar/wire/messages.h"
#include "sidecar/wire/packet.h"

extern char** environ;

namespace pilotlight::front {
namespace {

class ChildProcess final : public Process {
 public:
  ChildProcess(Children& children, pid_t pid) : children_(children), pid_(pid) {}
  ~ChildProcess() override {
    if (gone_) return;
    children_.forget(pid_);
    ::kill(pid_, SIGKILL);
  }
  void kill() override {
    if (!gone_) ::kill(pid_, SIGKILL);
  }
  // Once it is reaped, its number may be another process's.
  void set_gone() { gone_ = true; }

 private:
  Children& children_;
  pid_t pid_;
  bool gone_ = false;
};

// Nothing of ours that a hostile model could use; only what tells the engine's libraries how to run.
std::vector<std::string> engine_environment() {
  std::vector<std::string> result{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "OMP_WAIT_POLICY=passive"};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    for (const auto* prefix : {"OPENBLAS_", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LD_LIBRARY_PATH=",
                               "CUDA_VISIBLE_DEVICES=", "CUDA_MODULE_LOADING="}) {
      if (text.starts_with(prefix)) result.emplace_back(text);
    }
  }
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (auto& one : strings) result.push_back(one.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

SpawnLauncher::SpawnLauncher(Children& children, std::filesystem::path engine, EngineSettings settings)
    : children_(children), engine_(std::move(engine)), settings_(settings) {}

std::expected<Launched, std::string> SpawnLauncher::launch(Role role, std::function<void(Exit)> ended) {
  auto pair = wire::socket_pair();
  if (!pair) return std::unexpected(std::format("no socket pair for the engine: {}", pair.error().message()));
  // Only our end: the engine reads its own with blocking calls.
  ::fcntl(pair->first.get(), F_SETFL, O_NONBLOCK);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pair->second.get(), wire::kEngineSocket);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::vector<std::string> arguments{engine_.string()};
  if (settings_.threads > 0) arguments.push_back(std::format("--threads={}", settings_.threads));
  if (settings_.data_bytes > 0) arguments.push_back(std::format("--data-bytes={}", settings_.data_bytes));
  if (settings_.machine_code) arguments.emplace_back("--machine-code");
  arguments.emplace_back(role == Role::kCheck ? "check" : "serve");
  auto environment = engine_environment();
  pid_t pid = 0;
  const int failed = ::posix_spawn(&pid, engine_.c_str(), &actions, &attributes, pointers(arguments).data(),
                                   pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0) {
    return std::unexpected(
        std::format("the engine cannot be started: {}", std::generic_category().message(failed)));
  }
  auto process = std::make_unique<ChildProcess>(children_, pid);
  children_.watch(pid, [raw = process.get(), ended = std::move(ended)](Exit exit) {
    raw->set_gone();
    ended(exit);
  });
  return Launched{.socket = std::move(pair->first), .process = std::move(process)};
}

}  // namespace pilotlight::front
