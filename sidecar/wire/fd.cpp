#include "sidecar/wire/fd.h"

#include <unistd.h>

namespace pilotlight::wire {

void UniqueFd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

}  // namespace pilotlight::wire
