#include "sidecar/engine/bundle/mapped_file.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

namespace pilotlight::engine {

std::expected<MappedFile, std::error_code> MappedFile::map(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) {
    return std::unexpected(std::error_code(errno, std::generic_category()));
  }
  if (!S_ISREG(status.st_mode)) return std::unexpected(std::make_error_code(std::errc::not_supported));
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return MappedFile(nullptr, 0);
  const void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED) return std::unexpected(std::error_code(errno, std::generic_category()));
  return MappedFile(static_cast<const std::byte*>(data), size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

void MappedFile::forget() const {
  if (data_ != nullptr) ::madvise(const_cast<std::byte*>(data_), size_, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace pilotlight::engine
