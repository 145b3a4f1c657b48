#include "sidecar/engine/sandbox/every_thread.h"

#include <semaphore.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <set>
#include <string>

namespace pilotlight::engine::sandbox {
namespace {

// What the handler works with; it can be given nothing else.
bool (*action_to_run)() = nullptr;
std::atomic<bool> succeeded = false;
sem_t done;

void handle(int) {
  const int before = errno;
  succeeded = action_to_run();
  ::sem_post(&done);
  errno = before;
}

// A thread that keeps the signal blocked for this long would do so for ever.
bool wait_for_it() {
  timespec until{};
  ::clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += 10;
  while (::sem_timedwait(&done, &until) != 0) {
    if (errno != EINTR) return false;
  }
  return succeeded;
}

std::set<pid_t> threads() {
  std::set<pid_t> result;
  std::error_code failed;
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/task", failed)) {
    const std::string name = each.path().filename().string();
    pid_t thread = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), thread).ec == std::errc()) {
      result.insert(thread);
    }
  }
  return result;
}

bool run_in(pid_t thread) {
  if (::syscall(SYS_tgkill, ::getpid(), thread, SIGRTMIN) != 0) return errno == ESRCH;  // it has ended
  return wait_for_it();
}

bool run_in_others() {
  std::set<pid_t> ran = {::gettid()};
  for (bool found = true; found;) {
    found = false;
    for (const pid_t thread : threads()) {
      if (!ran.insert(thread).second) continue;
      found = true;  // and it may have started another
      if (!run_in(thread)) return false;
    }
  }
  return ran.size() > 1 || threads().contains(::gettid());  // else there is no /proc to look at
}

}  // namespace

bool on_every_thread(bool (*action)()) {
  action_to_run = action;
  ::sem_init(&done, 0, 0);
  struct sigaction handler{};
  struct sigaction before{};
  handler.sa_handler = handle;
  handler.sa_flags = SA_RESTART;
  ::sigaction(SIGRTMIN, &handler, &before);
  const bool others = run_in_others();
  ::sigaction(SIGRTMIN, &before, nullptr);
  return action() && others;
}

}  // namespace pilotlight::engine::sandbox
