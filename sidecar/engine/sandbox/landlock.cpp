#include "sidecar/engine/sandbox/landlock.h"

#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

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

}  // namespace

bool hide_files() {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  wire::UniqueFd denied;
  if (version >= 1) {
    const landlock_ruleset_attr attributes = everything(version);
    // A kernel that knows fewer fields takes those that are zero.
    denied.reset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
  }
  ruleset = denied.get();
  return on_every_thread(restrict_this_thread) && ruleset >= 0;
}

}  // namespace pilotlight::engine::sandbox
