#include "sidecar/engine/sandbox/call_names.h"

#include <seccomp.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

namespace pilotlight::engine::sandbox {
namespace {

constexpr int kNumbers = 1024;

struct Call {
  std::array<char, 31> name;
  unsigned char purpose;  // of kPurposes
};

struct Purpose {
  std::string_view words;
  std::initializer_list<std::string_view> beginnings;  // of names
};

// The first that fits counts.
constexpr Purpose kPurposes[] = {
    {"do what no model needs to", {}},
    {"open a file for writing", {"open", "creat", "memfd_", "mknod"}},
    {"use the network",
     {"socket", "connect", "bind", "listen", "accept", "send", "recv", "shutdown", "getsockopt", "setsockopt",
      "getsockname", "getpeername"}},
    {"start a process", {"fork", "vfork", "clone", "wait4", "waitid"}},
    {"start a program", {"execve"}},
    {"reach into another process",
     {"ptrace", "process_", "kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_",
      "kcmp", "prlimit64"}},
    {"change the file system",
     {"unlink",    "rename",    "link",     "symlink",   "mkdir",     "rmdir",  "truncate",
      "ftruncate", "fallocate", "chmod",    "fchmod",    "chown",     "fchown", "lchown",
      "utime",     "futimesat", "setxattr", "lsetxattr", "fsetxattr", "pwrite", "copy_file_range",
      "sendfile",  "splice"}},
    {"change what it may see of the system",
     {"mount", "umount", "move_mount", "fsopen", "fsmount", "unshare", "setns", "chroot", "pivot_root",
      "chdir", "fchdir"}},
    {"loosen what holds it",
     {"prctl", "seccomp", "landlock_", "setuid", "setgid", "setre", "setres", "setfs", "setgroups", "capset",
      "setrlimit", "rt_sigaction", "arch_prctl", "personality"}},
    {"map executable memory", {"mmap", "pkey_mprotect"}},
    {"control a device", {"ioctl", "ioperm", "iopl"}},
};

std::array<Call, kNumbers> calls;

unsigned char purpose_of(std::string_view name) {
  const auto fits = [name](const Purpose& purpose) {
    return std::ranges::any_of(purpose.beginnings,
                               [name](std::string_view beginning) { return name.starts_with(beginning); });
  };
  const auto* const found = std::ranges::find_if(kPurposes, fits);
  return found == std::end(kPurposes) ? 0 : static_cast<unsigned char>(found - kPurposes);
}

}  // namespace

void prepare_call_names() {
  for (int number = 0; number < kNumbers; ++number) {
    const std::unique_ptr<char, decltype(&std::free)> name(
        seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number), &std::free);
    if (name == nullptr) continue;
    const std::string_view text(name.get());
    text.copy(calls[number].name.data(), calls[number].name.size() - 1);
    calls[number].purpose = purpose_of(text);
  }
}

std::string_view call_name(int number) {
  return number < 0 || number >= kNumbers ? std::string_view() : calls[number].name.data();
}

std::string_view call_purpose(int number) {
  return kPurposes[number < 0 || number >= kNumbers ? 0 : calls[number].purpose].words;
}

}  // namespace pilotlight::engine::sandbox
