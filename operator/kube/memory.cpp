#include "operator/kube/memory.h"

#include <malloc.h>

namespace pilotlight::kube {

void KeepMemorySmall() {
  constexpr int kLargeBuffer = 128 * 1024;
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_MMAP_THRESHOLD, kLargeBuffer);  // set by hand, it does not grow
  mallopt(M_TRIM_THRESHOLD, kLargeBuffer);
}

void ReturnFreeMemory() { malloc_trim(0); }

}  // namespace pilotlight::kube
