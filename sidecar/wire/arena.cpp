#include "sidecar/wire/arena.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "sidecar/wire/last_error.h"

namespace pilotlight::wire {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

std::uint64_t page_bytes() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

Arena::Arena(UniqueFd fd, std::byte* data, std::size_t size) : fd_(std::move(fd)), data_(data), size_(size) {}

Arena::Arena(Arena&& other) noexcept
    : fd_(std::move(other.fd_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

Arena& Arena::operator=(Arena&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Arena::~Arena() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

std::expected<Arena, std::error_code> Arena::create(std::uint64_t bytes) {
  const std::uint64_t page = page_bytes();
  if (bytes == 0 || bytes > static_cast<std::uint64_t>(PTRDIFF_MAX) - page) {
    return std::unexpected(std::make_error_code(std::errc::invalid_argument));
  }
  const std::uint64_t size = (bytes + page - 1) / page * page;
  UniqueFd fd(::memfd_create("pilotlight-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return last_error();
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return last_error();
  if (::fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) return last_error();
  return map(std::move(fd));
}

std::expected<Arena, std::error_code> Arena::map(UniqueFd fd) {
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0) return last_error();
  if ((seals & kSeals) != kSeals) return std::unexpected(std::make_error_code(std::errc::permission_denied));
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return last_error();
  const auto size = static_cast<std::size_t>(status.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) return last_error();
  return Arena(std::move(fd), static_cast<std::byte*>(data), size);
}

void Arena::discard(std::uint64_t offset, std::uint64_t bytes) const {
  const std::uint64_t page = page_bytes();
  const std::uint64_t first = (offset + page - 1) / page * page;
  const std::uint64_t last = (offset + bytes) / page * page;
  if (first >= last || last > size_) return;
  ::madvise(data_ + first, last - first, MADV_REMOVE);
}

}  // namespace pilotlight::wire
