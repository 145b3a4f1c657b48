#include "sidecar/engine/sandbox/call_filter.h"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <initializer_list>
#include <memory>
#include <system_error>

#include "sidecar/engine/sandbox/library.h"

namespace pilotlight::engine::sandbox {
namespace {

using Conditions = std::initializer_list<scmp_arg_cmp>;

scmp_arg_cmp equals(unsigned argument, scmp_datum_t value) {
  return {.arg = argument, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};
}
scmp_arg_cmp differs(unsigned argument, scmp_datum_t value) {
  return {.arg = argument, .op = SCMP_CMP_NE, .datum_a = value, .datum_b = 0};
}
// Of the bits in `mask`, exactly `value` are set.
scmp_arg_cmp has(unsigned argument, scmp_datum_t mask, scmp_datum_t value) {
  return {.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_TRAP), &seccomp_release) {
    if (context_ == nullptr) {
      fail(-ENOMEM);
      return;
    }
    // The 32-bit tables of this machine: other numbers, other calls.
    set(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_TRAP);
    set(SCMP_FLTATR_CTL_NNP, 1);
    set(SCMP_FLTATR_CTL_TSYNC, 1);
    set(SCMP_FLTATR_CTL_OPTIMIZE, 2);
  }

  void allow(std::initializer_list<int> calls) {
    for (const int call : calls) add(SCMP_ACT_ALLOW, call, {});
  }
  void allow(int call, Conditions when) { add(SCMP_ACT_ALLOW, call, when); }
  void refuse(int error, std::initializer_list<int> calls) {
    for (const int call : calls) add(SCMP_ACT_ERRNO(error), call, {});
  }
  void refuse(int error, int call, Conditions when) { add(SCMP_ACT_ERRNO(error), call, when); }

  std::expected<void, std::string> load() {
    if (error_ == 0) fail(seccomp_load(context_.get()));
    if (error_ == 0) return {};
    return std::unexpected("the kernel takes no system call filter: " +
                           std::generic_category().message(error_));
  }

 private:
  void set(scmp_filter_attr attribute, std::uint32_t value) {
    fail(seccomp_attr_set(context_.get(), attribute, value));
  }
  // A call that this machine does not have is passed over.
  void add(std::uint32_t action, int call, Conditions when) {
    if (error_ != 0 || call == __NR_SCMP_ERROR) return;
    fail(seccomp_rule_add_array(context_.get(), action, call, static_cast<unsigned>(when.size()),
                                when.begin()));
  }
  void fail(int result) {
    if (error_ == 0 && result < 0) error_ = -result;
  }

  int error_ = 0;
  std::unique_ptr<void, decltype(&seccomp_release)> context_;
};

void computing(Filter& filter) {
  filter.allow({SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise)});
  // oneDNN, for each shape that it meets, takes memory, makes it executable and writes machine code into it.
  filter.allow({SCMP_SYS(mprotect)});
  filter.allow({SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(getcpu)});
  filter.allow({SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep),
                SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(times),
                SCMP_SYS(getrusage)});
  filter.allow({SCMP_SYS(getrandom), SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(getpid), SCMP_SYS(gettid),
                SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
                SCMP_SYS(getrlimit)});
  filter.allow(SCMP_SYS(prlimit64), {equals(0, 0), equals(2, 0)});  // only asking, only about itself
  filter.allow({SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(restart_syscall)});
}

// Crashing and throwing; nobody else may be signalled, and the report of violations stays in place.
void signals(Filter& filter) {
  filter.allow({SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack)});
  filter.allow(SCMP_SYS(rt_sigaction), {differs(0, SIGSYS)});
  filter.allow(SCMP_SYS(tgkill), {equals(0, static_cast<scmp_datum_t>(::getpid()))});
}

// What is open already: the standard streams, the socket, the model, the arena.
void descriptors(Filter& filter, int socket) {
  filter.allow({SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(lseek), SCMP_SYS(write),
                SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(fstat)});
  filter.allow(SCMP_SYS(fcntl), {equals(1, F_GETFD)});
  filter.allow(SCMP_SYS(fcntl), {equals(1, F_GETFL)});
  filter.allow(SCMP_SYS(fcntl), {equals(1, F_GET_SEALS)});
  const auto front = static_cast<scmp_datum_t>(socket);
  filter.allow(SCMP_SYS(recvmsg), {equals(0, front)});
  filter.allow(SCMP_SYS(sendmsg), {equals(0, front)});
  filter.allow(SCMP_SYS(sendto), {equals(0, front)});
  filter.refuse(ENOTTY, SCMP_SYS(ioctl), {equals(1, TCGETS)});
}

constexpr scmp_datum_t kWriting = O_ACCMODE | O_CREAT | O_TRUNC;

// What libraries try and do without.
void attempts(Filter& filter) {
  filter.refuse(EPERM, {SCMP_SYS(sched_setaffinity), SCMP_SYS(setpriority)});
  filter.refuse(EINVAL, SCMP_SYS(prctl), {equals(0, PR_SET_VMA)});
}

// The same, where models only compute: time zones, the machine's description, names for threads and memory.
void attempts_without_driver(Filter& filter) {
  filter.allow(SCMP_SYS(mmap), {has(2, PROT_EXEC, 0)});
  // How the C library asks about a descriptor.
  filter.allow(SCMP_SYS(newfstatat), {equals(3, AT_EMPTY_PATH)});
  filter.refuse(EACCES, SCMP_SYS(newfstatat), {differs(3, AT_EMPTY_PATH)});
  filter.refuse(EACCES,
                {SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(statx), SCMP_SYS(access), SCMP_SYS(faccessat),
                 SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd)});
  filter.refuse(EPERM,
                {SCMP_SYS(mbind), SCMP_SYS(get_mempolicy), SCMP_SYS(set_mempolicy), SCMP_SYS(membarrier)});
  filter.refuse(EPERM, SCMP_SYS(prctl), {equals(0, PR_SET_NAME)});
}

// A device's driver: control of its nodes, and what it maps, waits for, names and looks up on the way. By
// reading, not by watching one: docs/designs/0014-cuda.md.
void driver(Filter& filter, bool files_are_hidden) {
  // NVIDIA's own commands, whatever descriptor they go to: those of its devices are of this type, those of
  // unified memory count from 0, but for two.
  constexpr scmp_datum_t kType = 0xff << _IOC_TYPESHIFT;
  constexpr scmp_datum_t kUnified = 0x30000000;
  filter.allow(SCMP_SYS(ioctl), {has(1, kType, 'F' << _IOC_TYPESHIFT)});
  filter.allow(SCMP_SYS(ioctl), {has(1, 0xfffff000, 0)});
  filter.allow(SCMP_SYS(ioctl), {equals(1, kUnified + 1)});
  filter.allow(SCMP_SYS(ioctl), {equals(1, kUnified + 2)});
  // Each piece of memory that both sides see takes a descriptor of its own, and so another open.
  if (files_are_hidden) {
    filter.allow(SCMP_SYS(open), {has(1, O_CREAT | O_TRUNC, 0)});
    filter.allow(SCMP_SYS(openat), {has(2, O_CREAT | O_TRUNC, 0)});
  } else {
    filter.refuse(EACCES, SCMP_SYS(open), {has(1, O_CREAT | O_TRUNC, 0)});
    filter.refuse(EACCES, SCMP_SYS(openat), {has(2, O_CREAT | O_TRUNC, 0)});
  }
  filter.allow({SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(statfs),
                SCMP_SYS(fstatfs), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
                SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(getdents64)});
  filter.allow({SCMP_SYS(mmap), SCMP_SYS(mincore), SCMP_SYS(mlock), SCMP_SYS(munlock), SCMP_SYS(mbind),
                SCMP_SYS(get_mempolicy), SCMP_SYS(set_mempolicy), SCMP_SYS(membarrier),
                SCMP_SYS(memfd_create), SCMP_SYS(ftruncate)});
  filter.allow({SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6),
                SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
                SCMP_SYS(eventfd2), SCMP_SYS(pipe2), SCMP_SYS(dup), SCMP_SYS(sched_getparam),
                SCMP_SYS(sched_getscheduler), SCMP_SYS(sched_get_priority_max),
                SCMP_SYS(sched_get_priority_min)});
  for (const int command : {F_SETFD, F_SETFL, F_DUPFD_CLOEXEC, F_ADD_SEALS}) {
    filter.allow(SCMP_SYS(fcntl), {equals(1, static_cast<scmp_datum_t>(command))});
  }
  filter.allow(SCMP_SYS(prctl), {equals(0, PR_SET_NAME)});
}

// Opening a file for reading. Where one library may be loaded, it traps, so that what tells the library's
// name from others is no filter, which cannot look into memory (violation.cpp); else it fails.
void opening(Filter& filter, int library) {
  if (library < 0) {
    filter.refuse(EACCES, SCMP_SYS(open), {has(1, kWriting, O_RDONLY)});
    filter.refuse(EACCES, SCMP_SYS(openat), {has(2, kWriting, O_RDONLY)});
    return;
  }
  const auto file = static_cast<scmp_datum_t>(library);
  filter.allow(SCMP_SYS(ftruncate), {equals(0, file)});
  filter.allow(SCMP_SYS(fcntl), {equals(0, file), equals(1, F_ADD_SEALS)});
  filter.allow(SCMP_SYS(fcntl), {equals(0, file), equals(1, F_DUPFD_CLOEXEC), equals(2, kOpenedLibrary)});
  filter.allow(SCMP_SYS(mmap), {has(2, PROT_EXEC, PROT_EXEC), equals(4, kOpenedLibrary)});
}

void threads(Filter& filter, bool new_threads) {
  // Its flags lie in memory, where a filter cannot look; the C library then takes clone.
  filter.refuse(ENOSYS, {SCMP_SYS(clone3)});
  if (!new_threads) return filter.refuse(EPERM, SCMP_SYS(clone), {has(0, CLONE_THREAD, CLONE_THREAD)});
  // All of what pthread_create sets, and nothing else: no namespaces.
  constexpr scmp_datum_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                                   CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
  filter.allow(SCMP_SYS(clone), {equals(0, kThread)});
  filter.allow({SCMP_SYS(rseq), SCMP_SYS(set_robust_list)});
}

}  // namespace

std::expected<void, std::string> filter_calls(const Options& options, bool files_are_hidden) {
  Filter filter;
  computing(filter);
  signals(filter);
  descriptors(filter, options.socket);
  attempts(filter);
  if (options.start_driver) {
    driver(filter, files_are_hidden);
  } else {
    attempts_without_driver(filter);
    opening(filter, options.library);
  }
  threads(filter, options.new_threads || options.start_driver);
  return filter.load();
}

}  // namespace pilotlight::engine::sandbox
