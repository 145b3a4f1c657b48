#include "sidecar/engine/sandbox/library.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "sidecar/engine/sandbox/registers.h"

namespace pilotlight::engine::sandbox {
namespace {

// Of a file without content, which takes no memory. Inside, where no file may grow (RLIMIT_FSIZE), it is cut
// to what is needed.
constexpr off_t kLarge = off_t{1} << 40;

// What open_for_reading grants; it can be given nothing else.
std::array<char, 32> granted_name;
std::atomic<int> granted = -1;

}  // namespace

std::expected<wire::UniqueFd, std::string> create_library() {
  if (!kCallsCanBeAnswered) return std::unexpected("this processor's system calls are not known well enough");
  wire::UniqueFd file(::memfd_create("model", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (file.get() < 0 || ::ftruncate(file.get(), kLarge) != 0) {
    return std::unexpected("no file in memory: " + std::generic_category().message(errno));
  }
  return file;
}

bool write_library(int library, std::uint64_t size, const std::function<bool(std::span<std::byte>)>& fill) {
  if (size == 0 || std::cmp_greater(size, kLarge)) return false;
  if (::ftruncate(library, static_cast<off_t>(size)) != 0) return false;
  void* place = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, library, 0);
  if (place == MAP_FAILED) return false;
  const bool filled = fill({static_cast<std::byte*>(place), size});
  ::munmap(place, size);
  constexpr int kForEver = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  return filled && ::fcntl(library, F_ADD_SEALS, kForEver) == 0;
}

std::string library_name(int library) {
  // Outside the sandbox, in tests, it is a path like any other.
  return "/proc/self/fd/" + std::to_string(library);
}

LibraryAccess::LibraryAccess(int library) {
  const std::string name = library_name(library);
  granted_name.fill('\0');
  name.copy(granted_name.data(), granted_name.size() - 1);
  granted = library;
}

LibraryAccess::~LibraryAccess() {
  granted = -1;
}

long open_for_reading(const char* path) {
  const int library = granted;
  if (library < 0 || std::strcmp(path, granted_name.data()) != 0) return -EACCES;
  const int opened = ::fcntl(library, F_DUPFD_CLOEXEC, kOpenedLibrary);
  if (opened < 0) return -errno;
  ::lseek(opened, 0, SEEK_SET);  // the two share a position
  return opened;
}

}  // namespace pilotlight::engine::sandbox
