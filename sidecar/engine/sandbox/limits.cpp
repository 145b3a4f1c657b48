#include "sidecar/engine/sandbox/limits.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sidecar/engine/sandbox/library.h"

namespace pilotlight::engine::sandbox {
namespace {

// Standard streams, socket, model, arena, and what one packet may bring.
constexpr rlim_t kDescriptors = 16;
static_assert(kOpenedLibrary == kDescriptors - 1);
// A driver has dozens, and takes one more for each piece of memory that it shares with the device.
constexpr rlim_t kDriversDescriptors = 1024;

bool limit(__rlimit_resource what, rlim_t most) {
  const rlimit both{.rlim_cur = most, .rlim_max = most};
  return ::setrlimit(what, &both) == 0;
}

bool is_file(int descriptor) {
  struct stat status{};
  return ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
}

}  // namespace

bool set_limits(std::uint64_t data_bytes) {
  bool all = ::prctl(PR_SET_DUMPABLE, 0) == 0;
  all &= limit(RLIMIT_CORE, 0);
  all &= limit(RLIMIT_MEMLOCK, 0);
  all &= limit(RLIMIT_NOFILE, kDescriptors);
  // On a laptop the log may go to a file, which has to grow.
  if (!is_file(STDOUT_FILENO) && !is_file(STDERR_FILENO)) all &= limit(RLIMIT_FSIZE, 0);
  if (data_bytes > 0) all &= limit(RLIMIT_DATA, data_bytes);
  return all;
}

bool set_limits_for_a_driver() {
  return limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, kDriversDescriptors);
}

}  // namespace pilotlight::engine::sandbox
