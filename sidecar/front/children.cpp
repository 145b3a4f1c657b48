#include "sidecar/front/children.h"

#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <csignal>
#include <cstring>
#include <format>
#include <vector>

namespace pilotlight::front {

std::string describe(const Exit& exit) {
  if (exit.signal == 0) return std::format("exit code {}", exit.code);
  const char* name = ::sigdescr_np(exit.signal);
  return std::format("signal {} ({})", exit.signal, name == nullptr ? "unknown" : name);
}

Children::Children(boost::asio::io_context& io) : signals_(io, SIGCHLD) {
  wait();
}

void Children::watch(pid_t child, std::function<void(Exit)> ended) {
  watched_[child] = std::move(ended);
  // It may have ended before: then its signal came too early.
  boost::asio::post(signals_.get_executor(), [this] { reap(); });
}

void Children::forget(pid_t child) {
  if (const auto found = watched_.find(child); found != watched_.end()) found->second = nullptr;
}

void Children::wait() {
  signals_.async_wait([this](boost::system::error_code failed, int) {
    if (failed) return;
    reap();
    wait();
  });
}

void Children::reap() {
  int status = 0;
  if (::getpid() == 1) {
    for (pid_t child = 0; (child = ::waitpid(-1, &status, WNOHANG)) > 0;) ended(child, status);
    return;
  }
  std::vector<std::pair<pid_t, int>> done;
  for (const auto& [child, unused] : watched_) {
    if (::waitpid(child, &status, WNOHANG) == child) done.emplace_back(child, status);
  }
  for (const auto& [child, how] : done) ended(child, how);
}

void Children::ended(pid_t child, int status) {
  const auto found = watched_.find(child);
  if (found == watched_.end()) return;
  const auto tell = std::move(found->second);
  watched_.erase(found);
  if (!tell) return;
  tell(WIFSIGNALED(status) ? Exit{.signal = WTERMSIG(status)} : Exit{.code = WEXITSTATUS(status)});
}

}  // namespace pilotlight::front
