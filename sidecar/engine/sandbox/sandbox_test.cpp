// What native code, which a hostile model may have become, can ask of the kernel from inside.

#include "sidecar/engine/sandbox/sandbox.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/io_uring.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <new>
#include <semaphore>
#include <thread>
#include <utility>
#include <vector>

#include "sidecar/engine/sandbox/call_filter.h"
#include "sidecar/engine/sandbox/landlock.h"
#include "sidecar/engine/sandbox/library.h"
#include "sidecar/engine/sandbox/probe.h"
#include "sidecar/engine/sandbox/violation.h"

namespace pilotlight::engine::sandbox {
namespace {

using testing::Outcome;
using testing::returned;
using testing::violation;

// The errno of a call that failed, 0 of one that did not: an attempt's exit code.
template <typename Call>
int error_of(Call call) {
  return call() == -1 ? errno : 0;
}

// For TorchScript and ONNX, and for machine code: but for the one library, neither may do more.
class Sandbox : public ::testing::TestWithParam<bool> {
 protected:
  Outcome attempt(const std::function<int()>& what, Options options = {.socket = -1},
                  const std::function<void()>& before = {}) const {
    options.library = library_.get();
    return testing::attempt(what, options, before);
  }
  template <typename... Arguments>
  Outcome of_call(long number, Arguments... arguments) const {
    return attempt([=] { return error_of([=] { return ::syscall(number, arguments...); }); });
  }

  wire::UniqueFd library_ = GetParam() ? create_library().value() : wire::UniqueFd();
};

INSTANTIATE_TEST_SUITE_P(Any, Sandbox, ::testing::Bool(), [](const auto& each) {
  return each.param ? std::string("ForMachineCode") : std::string("ForOtherModels");
});

class TemporaryFile {
 public:
  TemporaryFile() {
    auto name = (std::filesystem::temp_directory_path() / "sandbox-test-XXXXXX").string();
    const int file = ::mkstemp(name.data());
    EXPECT_GE(file, 0);
    ::close(file);
    path_ = name;
    std::ofstream(path_) << "precious";
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] const char* path() const { return path_.c_str(); }
  [[nodiscard]] std::string content() const {
    std::string content;
    std::getline(std::ifstream(path_), content);
    return content;
  }

 private:
  std::string path_;
};

TEST_P(Sandbox, NamesTheLayersThatHold) {
  std::vector<std::string> expected = {"seccomp", "noNewPrivileges", "rlimits"};
  if (::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0) {
    expected.insert(expected.begin() + 1, "landlock");
  }
  const pid_t child = ::fork();
  if (child == 0) ::_exit(enter({.socket = 3, .library = library_.get()}) == expected ? 0 : 1);
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_P(Sandbox, FilesCanBeOpenedInNoWay) {
  const TemporaryFile file;
  EXPECT_EQ(of_call(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY), returned(EACCES));
  EXPECT_EQ(of_call(SYS_openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY), returned(EACCES));
  EXPECT_EQ(of_call(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDONLY), returned(EACCES));
  const Outcome writing = violation("openat", "open a file for writing");
  for (const int flags :
       {O_WRONLY, O_RDWR, O_ACCMODE, O_RDONLY | O_CREAT, O_RDONLY | O_TRUNC, O_TMPFILE | O_RDWR}) {
    EXPECT_EQ(of_call(SYS_openat, AT_FDCWD, file.path(), flags, 0600), writing) << flags;
  }
  EXPECT_EQ(of_call(SYS_openat2, AT_FDCWD, file.path(), nullptr, 0), violation("openat2", writing.purpose));
#ifdef SYS_open
  EXPECT_EQ(of_call(SYS_open, "/etc/passwd", O_RDONLY), returned(EACCES));
  EXPECT_EQ(of_call(SYS_open, file.path(), O_RDWR), violation("open", writing.purpose));
  EXPECT_EQ(of_call(SYS_creat, file.path(), 0600), violation("creat", writing.purpose));
#endif
  EXPECT_EQ(of_call(SYS_open_by_handle_at, 0, nullptr, O_RDONLY).exit, kViolationExit);
  EXPECT_EQ(file.content(), "precious");
}

TEST_P(Sandbox, NamesOfFilesCannotBeLookedUpOrChanged) {
  const TemporaryFile file;
  struct stat status{};
  EXPECT_EQ(of_call(SYS_newfstatat, AT_FDCWD, file.path(), &status, 0), returned(EACCES));
  EXPECT_EQ(of_call(SYS_faccessat, AT_FDCWD, file.path(), R_OK), returned(EACCES));
  const std::string purpose = "change the file system";
  EXPECT_EQ(of_call(SYS_unlinkat, AT_FDCWD, file.path(), 0), violation("unlinkat", purpose));
  EXPECT_EQ(of_call(SYS_renameat2, AT_FDCWD, file.path(), AT_FDCWD, "/tmp/x", 0),
            violation("renameat2", purpose));
  EXPECT_EQ(of_call(SYS_symlinkat, file.path(), AT_FDCWD, "/tmp/x"), violation("symlinkat", purpose));
  EXPECT_EQ(of_call(SYS_truncate, file.path(), 0L), violation("truncate", purpose));
  EXPECT_EQ(of_call(SYS_fchmodat, AT_FDCWD, file.path(), 0777), violation("fchmodat", purpose));
  EXPECT_EQ(of_call(SYS_mount, "x", "/mnt", "tmpfs", 0L, nullptr).call, "mount");
  EXPECT_EQ(of_call(SYS_unshare, CLONE_NEWUSER).call, "unshare");
  EXPECT_EQ(file.content(), "precious");
}

TEST_P(Sandbox, ThereIsNoNetwork) {
  const std::string purpose = "use the network";
  for (const int family : {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK}) {
    EXPECT_EQ(attempt([family] { return error_of([family] { return ::socket(family, SOCK_STREAM, 0); }); }),
              violation("socket", purpose));
  }
  int pair[2];
  EXPECT_EQ(of_call(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair), violation("socketpair", purpose));
  const sockaddr_in address{};
  EXPECT_EQ(of_call(SYS_connect, 3, &address, sizeof address), violation("connect", purpose));
  EXPECT_EQ(of_call(SYS_bind, 3, &address, sizeof address), violation("bind", purpose));
}

TEST_P(Sandbox, OnlyTheFrontsSocketCanBeSpokenTo) {
  int other[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
  EXPECT_EQ(of_call(SYS_sendto, other[0], "x", 1, MSG_NOSIGNAL, nullptr, 0),
            violation("sendto", "use the network"));
  msghdr message{};
  EXPECT_EQ(of_call(SYS_sendmsg, other[0], &message, 0).call, "sendmsg");
  EXPECT_EQ(of_call(SYS_recvmsg, other[0], &message, MSG_DONTWAIT).call, "recvmsg");
  ::close(other[0]);
  ::close(other[1]);
}

TEST_P(Sandbox, ThereAreNoNewProcesses) {
  EXPECT_EQ(of_call(SYS_clone, SIGCHLD, 0, 0, 0, 0), violation("clone", "start a process"));
  // The C library's blocks signals meanwhile, so the kernel ends the process itself.
  EXPECT_EQ(attempt(::fork).signal, SIGSYS);
#ifdef SYS_vfork
  EXPECT_EQ(attempt([] { return error_of([] { return ::vfork(); }); }),
            violation("vfork", "start a process"));
  EXPECT_EQ(of_call(SYS_fork), violation("fork", "start a process"));
#endif
  const auto spawned = attempt([] {
    pid_t child = 0;
    const char* arguments[] = {"/bin/true", nullptr};
    return ::posix_spawn(&child, arguments[0], nullptr, nullptr, const_cast<char**>(arguments), environ);
  });
  EXPECT_EQ(spawned.signal, SIGSYS);
  const char* arguments[] = {"/bin/true", nullptr};
  EXPECT_EQ(of_call(SYS_execve, arguments[0], arguments, environ), violation("execve", "start a program"));
  EXPECT_EQ(of_call(SYS_execveat, AT_FDCWD, arguments[0], arguments, environ, 0),
            violation("execveat", "start a program"));
}

// What std::thread's constructor throws.
int start_thread() {
  try {
    std::thread([] {}).join();
    return 0;
  } catch (const std::system_error& error) {
    return error.code().value();
  }
}

TEST_P(Sandbox, ANewThreadFailsAsAnErrorThatProgramsKnow) {
  EXPECT_EQ(attempt(start_thread), returned(EPERM));
}

TEST_P(Sandbox, WhereThreadsAreAllowedNothingElseIs) {
  const Options options{.socket = -1, .data_bytes = 0, .new_threads = true};
  EXPECT_EQ(attempt(start_thread, options), returned(0));
  EXPECT_EQ(attempt(::fork, options).signal, SIGSYS);
  const auto namespaces = [] {
    return error_of([] {
      return ::syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEWNS, 0, 0, 0, 0);
    });
  };
  EXPECT_EQ(attempt(namespaces, options), violation("clone", "start a process"));
  // And what a thread inherits is as strict.
  const auto opened_in_thread = [] {
    std::thread([] { ::open("/tmp/x", O_WRONLY | O_CREAT, 0600); }).join();
    return 0;
  };
  EXPECT_EQ(attempt(opened_in_thread, options), violation("openat", "open a file for writing"));
}

TEST_P(Sandbox, ThreadsThatRanBeforeAreInsideAsWell) {
  static std::binary_semaphore entered{0};
  static std::binary_semaphore left{0};
  static int result = -1;
  const auto outcome = attempt(
      [] {
        entered.release();
        left.acquire();
        return result;
      },
      {.socket = -1},
      [] {
        std::thread([] {
          entered.acquire();
          result = error_of([] { return ::open("/etc/passwd", O_RDONLY); });
          if (result != EACCES) left.release();
          ::unlink("/tmp/x");
        }).detach();
      });
  EXPECT_EQ(outcome, violation("unlink", "change the file system"));
}

// Seccomp would hide whether Landlock works: here it is alone, and in a thread that ran before.
TEST_P(Sandbox, LandlockAloneHidesFilesFromEveryThread) {
  static std::binary_semaphore hidden{0};
  const pid_t child = ::fork();
  if (child == 0) {
    int in_thread = 0;
    std::thread other([&in_thread] {
      hidden.acquire();
      in_thread = error_of([] { return ::open("/etc/passwd", O_RDONLY); });
    });
    if (!hide_files()) ::_exit(1);
    hidden.release();
    other.join();
    const bool here = error_of([] { return ::open("/etc/passwd", O_RDONLY); }) == EACCES;
    ::_exit(here && in_thread == EACCES ? 0 : 2);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  if (WEXITSTATUS(status) == 1) GTEST_SKIP() << "this kernel has no Landlock";
  EXPECT_EQ(status, 0);
}

TEST_P(Sandbox, WhereTheKernelTakesNoFilterItSaysSo) {
  const pid_t child = ::fork();
  if (child == 0) {
    scmp_filter_ctx refusing = seccomp_init(SCMP_ACT_ALLOW);
    seccomp_rule_add(refusing, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(seccomp), 0);
    seccomp_load(refusing);
    const auto layers = enter({.socket = 3, .library = library_.get()});
    ::_exit(!layers && layers.error().contains("no system call filter") ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_P(Sandbox, OtherProcessesAreOutOfReach) {
  const std::string purpose = "reach into another process";
  const pid_t parent = ::getpid();
  EXPECT_EQ(of_call(SYS_kill, parent, SIGTERM), violation("kill", purpose));
  EXPECT_EQ(of_call(SYS_tgkill, parent, parent, SIGTERM), violation("tgkill", purpose));
  EXPECT_EQ(of_call(SYS_ptrace, PTRACE_ATTACH, parent, 0, 0), violation("ptrace", purpose));
  EXPECT_EQ(of_call(SYS_process_vm_readv, parent, nullptr, 0, nullptr, 0, 0),
            violation("process_vm_readv", purpose));
  EXPECT_EQ(of_call(SYS_process_vm_writev, parent, nullptr, 0, nullptr, 0, 0),
            violation("process_vm_writev", purpose));
  EXPECT_EQ(of_call(SYS_pidfd_open, parent, 0), violation("pidfd_open", purpose));
  rlimit none{};
  EXPECT_EQ(of_call(SYS_prlimit64, parent, RLIMIT_CPU, nullptr, &none), violation("prlimit64", purpose));
}

TEST_P(Sandbox, FeaturesWithALongHistoryOfHolesAreShut) {
  const std::string purpose = "do what no model needs to";
  io_uring_params parameters{};
  EXPECT_EQ(of_call(SYS_io_uring_setup, 8, &parameters), violation("io_uring_setup", purpose));
  EXPECT_EQ(of_call(SYS_bpf, 0, nullptr, 0), violation("bpf", purpose));
  EXPECT_EQ(of_call(SYS_userfaultfd, 0), violation("userfaultfd", purpose));
  EXPECT_EQ(of_call(SYS_keyctl, 0, 0, 0, 0, 0), violation("keyctl", purpose));
  EXPECT_EQ(of_call(SYS_perf_event_open, nullptr, 0, -1, -1, 0), violation("perf_event_open", purpose));
  EXPECT_EQ(of_call(SYS_memfd_create, "x", 0), violation("memfd_create", "open a file for writing"));
  EXPECT_EQ(of_call(SYS_ioctl, 1, TIOCSTI, "x"), violation("ioctl", "control a device"));
}

TEST_P(Sandbox, NothingExecutableCanBeMapped) {
  for (const int protection : {PROT_READ | PROT_EXEC, PROT_READ | PROT_WRITE | PROT_EXEC}) {
    EXPECT_EQ(of_call(SYS_mmap, nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
              violation("mmap", "map executable memory"));
  }
}

// As oneDNN does; without it, convolutions are an order of magnitude slower.
TEST_P(Sandbox, MemoryCanBeMadeExecutableAfterwards) {
  EXPECT_EQ(attempt([] {
              void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              return error_of([page] { return ::mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC); });
            }),
            returned(0));
}

TEST_P(Sandbox, WhatHoldsItCannotBeLoosened) {
  const std::string purpose = "loosen what holds it";
  EXPECT_EQ(of_call(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0), violation("prctl", purpose));
  EXPECT_EQ(of_call(SYS_prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0), violation("prctl", purpose));
  EXPECT_EQ(of_call(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0), violation("prctl", purpose));
  EXPECT_EQ(of_call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, nullptr), violation("seccomp", purpose));
  EXPECT_EQ(of_call(SYS_setuid, 0), violation("setuid", purpose));
  struct sigaction handler{};
  EXPECT_EQ(of_call(SYS_rt_sigaction, SIGSYS, &handler, nullptr, 8), violation("rt_sigaction", purpose));
  const rlimit more{.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
  EXPECT_EQ(of_call(SYS_prlimit64, 0, RLIMIT_NOFILE, &more, nullptr).call, "prlimit64");
}

// A signal that is blocked cannot be handled: the kernel then ends the process itself.
TEST_P(Sandbox, BlockingTheReportDoesNotMakeTheCall) {
  const TemporaryFile file;
  const auto outcome = attempt([&file] {
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_BLOCK, &all, nullptr);
    return ::unlink(file.path());
  });
  EXPECT_EQ(outcome.signal, SIGSYS);
  EXPECT_EQ(file.content(), "precious");
}

#ifdef __x86_64__
// `int 0x80` counts by i386's table, in which 5 is open.
TEST_P(Sandbox, TheTablesOfOtherArchitecturesAreShut) {
  const auto by_i386 = [] {
    long result = 5;
    asm volatile("int $0x80"
                 : "+a"(result)
                 : "b"(0), "c"(O_RDONLY), "d"(0)
                 : "memory", "r8", "r9", "r10", "r11");
    return result < 0 ? static_cast<int>(-result) : 0;
  };
  EXPECT_EQ(attempt(by_i386), violation("foreign system call 5", "do what no model needs to"));
  constexpr int kX32 = 0x40000000;
  EXPECT_EQ(of_call(kX32 + SYS_read, 0, nullptr, 0).exit, kViolationExit);
}
#endif

TEST_P(Sandbox, MemoryBeyondTheLimitIsRefusedAndNotKilledFor) {
  const auto allocate = [] {
    try {
      const std::unique_ptr<char[]> huge(new char[std::size_t{4} << 40]);
      return static_cast<int>(huge[0]);
    } catch (const std::bad_alloc&) {
      return 77;
    }
  };
  EXPECT_EQ(attempt(allocate, {.socket = -1, .data_bytes = 1 << 30}), returned(77));
}

TEST_P(Sandbox, DescriptorsAreFew) {
  const auto exhausted = [] {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return static_cast<int>(limit.rlim_max);
  };
  EXPECT_EQ(attempt(exhausted), returned(16));
}

TEST_P(Sandbox, ComputingAndCrashingGoOn) {
  EXPECT_EQ(attempt([] {
              std::vector<double> numbers(10'000'000, 1.5);  // mapped, and unmapped again
              return numbers[77] > 1 ? 0 : 1;
            }),
            returned(0));
  EXPECT_EQ(attempt([]() -> int { std::abort(); }).signal, SIGABRT);
  EXPECT_EQ(attempt([] { return ::raise(SIGSEGV); }).signal, SIGSEGV);
  EXPECT_EQ(attempt([] {
              try {
                throw std::runtime_error("unwound");
              } catch (const std::runtime_error&) {
                return 5;
              }
            }),
            returned(5));
}

// With a device's driver in the process. No device is needed to see what is shut.

Options with_driver(std::function<void()> start = [] {}) {
  return {.socket = -1, .data_bytes = 0, .new_threads = false, .start_driver = std::move(start)};
}

template <typename... Arguments>
Outcome of_call_with_driver(long number, Arguments... arguments) {
  return testing::attempt([=] { return error_of([=] { return ::syscall(number, arguments...); }); },
                          with_driver());
}

bool has_landlock() {
  return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

TEST(SandboxWithDriver, WhatNoModelNeedsStaysForbidden) {
  const TemporaryFile file;
  int other[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
  struct sigaction handler{};
  const rlimit more{.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
  iovec nothing{};
  const char* arguments[] = {"/bin/true", nullptr};
  const std::pair<const char*, Outcome> attempts[] = {
      {"socket", of_call_with_driver(SYS_socket, AF_UNIX, SOCK_STREAM, 0)},
      {"socketpair", of_call_with_driver(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, other)},
      {"connect", of_call_with_driver(SYS_connect, other[0], nullptr, 0)},
      {"sendto", of_call_with_driver(SYS_sendto, other[0], "x", 1, MSG_NOSIGNAL, nullptr, 0)},
      {"clone", of_call_with_driver(SYS_clone, SIGCHLD, 0, 0, 0, 0)},
      {"execve", of_call_with_driver(SYS_execve, arguments[0], arguments, environ)},
      {"execveat", of_call_with_driver(SYS_execveat, AT_FDCWD, arguments[0], arguments, environ, 0)},
      {"kill", of_call_with_driver(SYS_kill, ::getpid(), 0)},
      {"tgkill", of_call_with_driver(SYS_tgkill, ::getpid(), ::gettid(), 0)},
      {"ptrace", of_call_with_driver(SYS_ptrace, PTRACE_ATTACH, ::getpid(), 0, 0)},
      {"process_vm_readv",
       of_call_with_driver(SYS_process_vm_readv, ::getpid(), &nothing, 1, &nothing, 1, 0)},
      {"pidfd_open", of_call_with_driver(SYS_pidfd_open, ::getpid(), 0)},
      {"io_uring_setup", of_call_with_driver(SYS_io_uring_setup, 1, nullptr)},
      {"bpf", of_call_with_driver(SYS_bpf, 0, nullptr, 0)},
      {"userfaultfd", of_call_with_driver(SYS_userfaultfd, 0)},
      {"keyctl", of_call_with_driver(SYS_keyctl, 0, 0, 0, 0, 0)},
      {"perf_event_open", of_call_with_driver(SYS_perf_event_open, nullptr, 0, -1, -1, 0)},
      {"mount", of_call_with_driver(SYS_mount, "x", "/mnt", "tmpfs", 0L, nullptr)},
      {"unshare", of_call_with_driver(SYS_unshare, CLONE_NEWUSER)},
      {"chroot", of_call_with_driver(SYS_chroot, "/tmp")},
      {"openat", of_call_with_driver(SYS_openat, AT_FDCWD, file.path(), O_WRONLY | O_CREAT | O_TRUNC, 0600)},
      {"openat", of_call_with_driver(SYS_openat, AT_FDCWD, file.path(), O_RDWR | O_TRUNC)},
      {"openat2", of_call_with_driver(SYS_openat2, AT_FDCWD, file.path(), nullptr, 0)},
      {"open_by_handle_at", of_call_with_driver(SYS_open_by_handle_at, 0, nullptr, O_RDONLY)},
      {"unlinkat", of_call_with_driver(SYS_unlinkat, AT_FDCWD, file.path(), 0)},
      {"renameat2", of_call_with_driver(SYS_renameat2, AT_FDCWD, file.path(), AT_FDCWD, "/tmp/x", 0)},
      {"truncate", of_call_with_driver(SYS_truncate, file.path(), 0L)},
      {"fchmodat", of_call_with_driver(SYS_fchmodat, AT_FDCWD, file.path(), 0777)},
      {"prctl", of_call_with_driver(SYS_prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0)},
      {"seccomp", of_call_with_driver(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, nullptr)},
      {"setuid", of_call_with_driver(SYS_setuid, 0)},
      {"rt_sigaction", of_call_with_driver(SYS_rt_sigaction, SIGSYS, &handler, nullptr, 8)},
      {"prlimit64", of_call_with_driver(SYS_prlimit64, 0, RLIMIT_NOFILE, &more, nullptr)},
      {"ioctl", of_call_with_driver(SYS_ioctl, 0, TIOCSTI, "x")},
      {"ioctl", of_call_with_driver(SYS_ioctl, 0, SIOCGIFCONF, nullptr)},
  };
  ::close(other[0]);
  ::close(other[1]);
  for (const auto& [call, outcome] : attempts) {
    EXPECT_EQ(outcome.call, call);
    EXPECT_EQ(outcome.exit, kViolationExit) << call;
  }
  EXPECT_EQ(testing::attempt(::fork, with_driver()).signal, SIGSYS);
  EXPECT_EQ(file.content(), "precious");
}

TEST(SandboxWithDriver, OfFilesThereAreOnlyThoseThatADriverNeeds) {
  if (!has_landlock()) GTEST_SKIP() << "this kernel has no Landlock";
  const TemporaryFile file;
  const auto opening = [](const char* path, int flags) {
    return of_call_with_driver(SYS_openat, AT_FDCWD, path, flags);
  };
  for (const char* path : {"/etc/passwd", "/proc/1/environ", "/proc/self/root/etc/passwd", "/proc/self/cwd/.",
                           "/tmp", file.path()}) {
    EXPECT_EQ(opening(path, O_RDONLY), returned(EACCES)) << path;
  }
  EXPECT_EQ(opening(file.path(), O_RDWR), returned(EACCES));
  EXPECT_EQ(opening("/tmp", O_TMPFILE | O_RDWR), returned(EACCES));
  EXPECT_EQ(opening("/usr/lib", O_RDONLY | O_DIRECTORY), returned(0));
  EXPECT_EQ(opening("/usr/lib/os-release", O_RDONLY), returned(0));
  EXPECT_EQ(opening("/usr/lib/os-release", O_RDWR), returned(EACCES));
  EXPECT_EQ(opening("/proc/self/maps", O_RDONLY), returned(0));
  EXPECT_EQ(opening("/proc/self/oom_score_adj", O_RDWR), returned(EACCES));
}

TEST(SandboxWithDriver, WhereFilesCannotBeHiddenNoneCanBeOpened) {
  const auto unhidden = [](int flags) {
    const pid_t child = ::fork();
    if (child == 0) {
      if (!filter_calls(with_driver(), false)) ::_exit(255);
      ::_exit(error_of([flags] { return ::open("/dev/null", flags); }));
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  };
  EXPECT_EQ(unhidden(O_RDONLY), EACCES);
  EXPECT_EQ(unhidden(O_RDWR), EACCES);
}

// Drivers have threads of their own, and name them.
TEST(SandboxWithDriver, ItsThreadsAreInsideAndMayBeNamed) {
  static std::binary_semaphore entered{0};
  static std::binary_semaphore left{0};
  static int opened = 0;
  static std::thread thread;
  const auto start = [] {
    thread = std::thread([] {
      entered.acquire();
      opened = error_of([] { return ::open("/etc/passwd", O_RDONLY); });
      left.release();
    });
  };
  const auto outcome = testing::attempt(
      [] {
        const int named = ::pthread_setname_np(thread.native_handle(), "driver");
        entered.release();
        left.acquire();
        return named == 0 ? opened : 100 + named;
      },
      with_driver(start));
  EXPECT_EQ(outcome.call, "");
  EXPECT_EQ(outcome.exit, has_landlock() ? EACCES : 100 + EACCES);
  EXPECT_EQ(testing::attempt(start_thread, with_driver()), returned(0));
}

TEST(SandboxWithDriver, ItsOwnCommandsReachADevice) {
  // No driver is behind this one, which says so: it was asked.
  constexpr unsigned kRegister = _IO('F', 201);
  EXPECT_EQ(of_call_with_driver(SYS_ioctl, 0, kRegister, nullptr), returned(ENOTTY));
  EXPECT_EQ(of_call_with_driver(SYS_ioctl, 0, 0x30000001, nullptr), returned(ENOTTY));
  EXPECT_EQ(of_call_with_driver(SYS_ioctl, 0, 37, nullptr), returned(ENOTTY));
}

TEST(SandboxWithDriver, ThereAreNoCoresAndNotMoreDescriptorsThanItNeeds) {
  const auto limit_of = [](__rlimit_resource what) {
    return testing::attempt(
        [what] {
          rlimit limit{};
          ::getrlimit(what, &limit);
          return static_cast<int>(limit.rlim_max / 16);
        },
        with_driver());
  };
  EXPECT_EQ(limit_of(RLIMIT_NOFILE), returned(64));
  EXPECT_EQ(limit_of(RLIMIT_CORE), returned(0));
}

TEST(SandboxWithDriver, ItMayMapMemoryBeyondTheLimitOfOthers) {
  const auto reserve = [] {
    constexpr std::size_t kMuch = std::size_t{1} << 36;
    void* const range =
        ::mmap(nullptr, kMuch, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return range == MAP_FAILED ? errno : 0;
  };
  auto options = with_driver();
  options.data_bytes = 1 << 30;
  EXPECT_EQ(testing::attempt(reserve, options), returned(0));
  EXPECT_EQ(testing::attempt(reserve, {.socket = -1, .data_bytes = 1 << 30}), returned(ENOMEM));
}

}  // namespace
}  // namespace pilotlight::engine::sandbox
