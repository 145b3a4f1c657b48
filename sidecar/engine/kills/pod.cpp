#include "sidecar/engine/kills/pod.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <format>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace pilotlight::engine::testing {
namespace {

using nlohmann::json;
using wire::UniqueFd;

// For what must come, on a machine that has a lot else to do.
constexpr std::chrono::seconds kPatience{60};
constexpr std::chrono::milliseconds kPoll{5};
// So little that a model which prints a page stands still until somebody reads.
constexpr int kPipeBytes = 4096;

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The ports that a process listens on, in the order in which it opened them.
std::vector<std::uint16_t> listening_ports(pid_t process) {
  std::map<std::string, std::uint16_t> by_inode;
  std::istringstream table(content(std::format("/proc/{}/net/tcp", process)));
  std::string line;
  std::getline(table, line);
  while (std::getline(table, line)) {
    std::istringstream columns(line);
    std::string slot, local, remote, state, skip, inode;
    columns >> slot >> local >> remote >> state >> skip >> skip >> skip >> skip >> skip >> inode;
    constexpr std::string_view kListen = "0A";
    if (state == kListen) {
      by_inode[std::format("socket:[{}]", inode)] =
          static_cast<std::uint16_t>(std::stoul(local.substr(local.find(':') + 1), nullptr, 16));
    }
  }
  std::map<int, std::uint16_t> by_descriptor;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator(std::format("/proc/{}/fd", process), gone)) {
    const auto target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (const auto found = by_inode.find(target); found != by_inode.end()) {
      by_descriptor[std::stoi(entry.path().filename())] = found->second;
    }
  }
  std::vector<std::uint16_t> ports;
  for (const auto& [descriptor, port] : by_descriptor) ports.push_back(port);
  return ports;
}

UniqueFd handle(pid_t process) {
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
}

void expect_end(const UniqueFd& process) {
  pollfd one{.fd = process.get(), .events = POLLIN, .revents = 0};
  constexpr int kMilliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(kPatience).count();
  EXPECT_EQ(::poll(&one, 1, kMilliseconds), 1) << "a process that should end does not";
}

}  // namespace

Pod::Pod(const json& config) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  auto name = (std::filesystem::temp_directory_path() / "kill-test-XXXXXX").string();
  folder_ = ::mkdtemp(name.data());
  std::ofstream(folder_ / "config.json") << config;
  std::ofstream(folder_ / "last-words").flush();
  if (::mkfifo((folder_ / "no-config-yet").c_str(), 0600) != 0) throw std::runtime_error("no fifo");
}

Pod::~Pod() {
  if (front_ > 0) kill_container();
  std::filesystem::remove_all(folder_);
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

void Pod::start(Until until) {
  ++life_;
  // The kubelet makes it anew for each container.
  std::ofstream(folder_ / "last-words", std::ios::trunc).flush();
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  printed_ = UniqueFd(pipe[0]);
  const UniqueFd out(pipe[1]);
  ::fcntl(out.get(), F_SETPIPE_SZ, kPipeBytes);
  ::fcntl(printed_.get(), F_SETFL, O_NONBLOCK);

  const auto path = [this](const char* file) { return (folder_ / file).string(); };
  std::vector<std::string> arguments{
      PILOTLIGHT_SIDECAR,
      "--bind=127.0.0.1",
      "--port=0",
      "--admin-port=0",
      "--hop-port=0",
      std::string("--engine=") + PILOTLIGHT_ENGINE,
      "--config=" + path(until == Until::kBefore ? "no-config-yet" : "config.json"),
      "--state-dir=" + path("state"),
      "--termination-log=" + path("last-words")};
  std::vector<char*> pointers;
  for (std::string& each : arguments) pointers.push_back(each.data());
  pointers.push_back(nullptr);
  std::vector<std::string> environment{"POD_UID=the-pod"};
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  std::vector<char*> variables;
  for (std::string& each : environment) variables.push_back(each.data());
  variables.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, out.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO,
                                     path(std::format("log-{}", life_).c_str()).c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
  // A group of its own: whoever ends the container ends all of it at once.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  const int failed =
      ::posix_spawn(&front_, PILOTLIGHT_SIDECAR, &actions, &attributes, pointers.data(), variables.data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (failed != 0) throw std::runtime_error("the sidecar cannot be started");
  if (until == Until::kListening) return wait_until_listening();
  await_that(
      [&] {
        no_config_ = UniqueFd(::open(path("no-config-yet").c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
        return static_cast<bool>(no_config_);
      },
      "the sidecar reads its configuration");
}

void Pod::wait_until_listening() {
  await_that(
      [this] {
        const auto ports = listening_ports(front_);
        if (ports.size() != 3) return false;  // the second is the hop's
        admin_ = ports[0];
        port_ = ports[2];
        return true;
      },
      "the sidecar listens");
}

void Pod::kill_front() {
  std::map<pid_t, UniqueFd> engines_then;
  for (const auto& [role, engine] : engines()) engines_then.emplace(engine, handle(engine));
  ::kill(front_, SIGKILL);
  ::waitpid(front_, nullptr, 0);
  for (const auto& [engine, ending] : engines_then) {
    expect_end(ending);
    ::waitpid(engine, nullptr, 0);
  }
  front_ = 0;
}

void Pod::kill_container() {
  ::kill(-front_, SIGKILL);
  // All of the group: engines that the front had not reaped yet are ours by now.
  while (::waitpid(-front_, nullptr, 0) > 0) {
  }
  front_ = 0;
}

void Pod::kill_engine(std::string_view role) {
  const auto all = engines();
  const auto found = all.find(std::string(role));
  ASSERT_NE(found, all.end()) << "there is no engine to " << role;
  const UniqueFd ending = handle(found->second);
  ::kill(found->second, SIGKILL);
  expect_end(ending);
}

void Pod::freeze_in(std::string_view phase) {
  await_that(
      [&] {
        ::kill(front_, SIGSTOP);
        ::waitpid(front_, nullptr, WUNTRACED);
        const auto verdict = json::parse(content(folder_ / "state" / "verdict.json"), nullptr, false);
        if (verdict.is_object() && verdict.value("phase", "") == phase) return true;
        thaw();
        return false;
      },
      phase);
}

void Pod::thaw() {
  ::kill(front_, SIGCONT);
}

void Pod::terminate() {
  ::kill(front_, SIGTERM);
}

int Pod::end() {
  expect_end(handle(front_));
  int status = 0;
  ::waitpid(front_, &status, 0);
  front_ = 0;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

std::map<std::string, pid_t> Pod::engines() const {
  std::map<std::string, pid_t> result;
  std::istringstream children(content(std::format("/proc/{0}/task/{0}/children", front_)));
  for (pid_t child = 0; children >> child;) {
    // The role is the last of its arguments; one that has ended has none.
    auto arguments = content(std::format("/proc/{}/cmdline", child));
    if (arguments.empty()) continue;
    arguments.pop_back();
    result[arguments.substr(arguments.rfind('\0') + 1)] = child;
  }
  return result;
}

json Pod::status() const {
  const auto answer = http::testing::call(admin_, "GET", "/status");
  const auto document = json::parse(answer.body, nullptr, false);
  return document.is_object() ? document : json::object();
}

double Pod::metric(std::string_view name) const {
  const auto text = "\n" + http::testing::call(admin_, "GET", "/metrics").body;
  const auto at = text.find(std::format("\n{} ", name));
  return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
}

void Pod::let_print() {
  char page[kPipeBytes];
  while (::read(printed_.get(), page, sizeof page) > 0) {
  }
}

json Pod::await(const std::function<bool(const json&)>& holds, std::string_view what, Models models) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  json now;
  while (std::chrono::steady_clock::now() < until) {
    now = status();
    if (holds(now)) return now;
    // A page and a look at the status in turn: a model cannot have gone on for long when it is held again.
    if (models == Models::kGoOn) {
      char page[kPipeBytes];
      if (::read(printed_.get(), page, sizeof page) > 0) continue;
    }
    std::this_thread::sleep_for(kPoll);
  }
  ADD_FAILURE() << "not within a minute: " << what << "; status is " << now.dump();
  return {};
}

json Pod::await_phase(std::string_view phase, Models models) {
  return await([&](const json& now) { return now.value("phase", "") == phase; }, phase, models);
}

void Pod::await_that(const std::function<bool()>& holds, std::string_view what) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) {
      ADD_FAILURE() << "not within a minute: " << what;
      return;
    }
    std::this_thread::sleep_for(kPoll);
  }
}

std::vector<std::string> Pod::phases() const {
  std::vector<std::string> result;
  std::istringstream log(content(folder_ / std::format("log-{}", life_)));
  for (std::string line; std::getline(log, line);) {
    const auto entry = json::parse(line, nullptr, false);
    if (!entry.is_object() || entry.value("msg", "") != "Phase") continue;
    const auto phase = entry.value("phase", "");
    if (result.empty() || result.back() != phase) result.push_back(phase);
  }
  return result;
}

std::string Pod::last_words() const {
  return content(folder_ / "last-words");
}

}  // namespace pilotlight::engine::testing
