#include "operator/kube/memory.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string_view>

namespace pilotlight::kube {
namespace {

// Only what is mapped from a file and cannot have been written to: for anything else, this would lose data.
int ReturnCode(dl_phdr_info* object, std::size_t /*size*/, void* /*user*/) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  if (object->dlpi_name == nullptr || std::string_view(object->dlpi_name).starts_with("linux-vdso")) return 0;
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const std::uintptr_t begin = (object->dlpi_addr + segment.p_vaddr) & ~(page - 1);
    const std::uintptr_t end = (object->dlpi_addr + segment.p_vaddr + segment.p_filesz) & ~(page - 1);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): addresses are numbers here
    if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void KeepMemorySmall() {
  constexpr int kLargeBuffer = 128 * 1024;
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_MMAP_THRESHOLD, kLargeBuffer);  // set by hand, it does not grow
  mallopt(M_TRIM_THRESHOLD, kLargeBuffer);
}

void ReturnFreeMemory() {
  malloc_trim(0);
}

void ReturnIdleCode() {
  dl_iterate_phdr(&ReturnCode, nullptr);
}

}  // namespace pilotlight::kube
