#include "sidecar/engine/sandbox/landlock.h"

#include <fcntl.h>
#include <glob.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <span>

#include "sidecar/engine/sandbox/every_thread.h"
#include "sidecar/wire/fd.h"

namespace pilotlight::engine::sandbox {
namespace {

int ruleset = -1;

// Everything from the first right to this one.
constexpr __u64 up_to(__u64 last) {
  return (last << 1) - 1;
}

// The rights that each version of the kernel's interface knows; asking for more is an error.
landlock_ruleset_attr everything(long version) {
  __u64 files = up_to(LANDLOCK_ACCESS_FS_MAKE_SYM);
  if (version >= 2) files = up_to(LANDLOCK_ACCESS_FS_REFER);
  if (version >= 3) files = up_to(LANDLOCK_ACCESS_FS_TRUNCATE);
  if (version >= 5) files = up_to(LANDLOCK_ACCESS_FS_IOCTL_DEV);
  return {.handled_access_fs = files,
          .handled_access_net = version >= 4 ? up_to(LANDLOCK_ACCESS_NET_CONNECT_TCP) : 0,
          .scoped = version >= 6 ? up_to(LANDLOCK_SCOPE_SIGNAL) : 0};
}

bool restrict_this_thread() {
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         (ruleset < 0 || ::syscall(SYS_landlock_restrict_self, ruleset, 0) == 0);
}

wire::UniqueFd make_ruleset(long version) {
  if (version < 1) return {};
  const landlock_ruleset_attr attributes = everything(version);
  // A kernel that knows fewer fields takes those that are zero.
  return wire::UniqueFd(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
}

bool hide_files_but(const wire::UniqueFd& allowed) {
  ruleset = allowed.get();
  return on_every_thread(restrict_this_thread) && ruleset >= 0;
}

long known_version() {
  return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

// What is not there needs no leave.
void allow(const wire::UniqueFd& rules, const char* path, __u64 rights) {
  const wire::UniqueFd at(::open(path, O_PATH | O_CLOEXEC));
  if (at.get() < 0) return;
  const landlock_path_beneath_attr beneath{.allowed_access = rights, .parent_fd = at.get()};
  ::syscall(SYS_landlock_add_rule, rules.get(), LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
}

}  // namespace

bool hide_files() {
  return hide_files_but(make_ruleset(known_version()));
}

bool hide_files_but_a_drivers() {
  const long known = known_version();
  const wire::UniqueFd rules = make_ruleset(known);
  if (rules.get() < 0) return hide_files_but(rules);
  constexpr __u64 kReadFile = LANDLOCK_ACCESS_FS_READ_FILE;
  constexpr __u64 kRead = kReadFile | LANDLOCK_ACCESS_FS_READ_DIR;
  for (const char* folder :
       {"/usr", "/sys", "/proc/self", "/proc/driver/nvidia", "/proc/driver/nvidia-uvm"}) {
    allow(rules, folder, kRead);
  }
  for (const char* file : {"/etc/ld.so.cache", "/proc/cpuinfo", "/proc/meminfo", "/proc/devices",
                           "/proc/modules", "/proc/version", "/proc/filesystems", "/dev/urandom"}) {
    allow(rules, file, kReadFile);
  }
  // In it lie the threads' names.
  allow(rules, "/proc/self/task", kRead | LANDLOCK_ACCESS_FS_WRITE_FILE);
  __u64 use = kReadFile | LANDLOCK_ACCESS_FS_WRITE_FILE;
  if (known >= 5) use |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
  glob_t nodes{};
  if (::glob("/dev/nvidia*", GLOB_NOSORT, nullptr, &nodes) == 0) {
    for (const char* node : std::span(nodes.gl_pathv, nodes.gl_pathc)) allow(rules, node, use);
  }
  ::globfree(&nodes);
  return hide_files_but(rules);
}

}  // namespace pilotlight::engine::sandbox
