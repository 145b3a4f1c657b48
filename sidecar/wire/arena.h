#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <system_error>

#include "sidecar/wire/fd.h"

namespace pilotlight::wire {

// A memfd of fixed size, mapped shared and writable: the tensors of front and engine. It is sealed against
// growing, shrinking and further seals, so neither side can take pages away from under the other.
// The object may be moved; what two threads write to its bytes is theirs to order.
class Arena {
 public:
  // `bytes` is rounded up to whole pages. Pages take memory only once they are written.
  static std::expected<Arena, std::error_code> create(std::uint64_t bytes);

  // Maps one made by the other side. `permission_denied` if the descriptor lacks the seals, so that a reader
  // never faults on pages cut off.
  static std::expected<Arena, std::error_code> map(UniqueFd fd);

  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&& other) noexcept;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  [[nodiscard]] std::span<std::byte> bytes() const { return {data_, size_}; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] int fd() const { return fd_.get(); }

  // Gives the pages of a range back to the system; they read as zeros afterwards. Only whole pages inside the
  // range are given back.
  void discard(std::uint64_t offset, std::uint64_t bytes) const;

 private:
  Arena(UniqueFd fd, std::byte* data, std::size_t size);

  UniqueFd fd_;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace pilotlight::wire
