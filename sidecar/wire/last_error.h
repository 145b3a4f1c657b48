// For this folder only.
#pragma once

#include <cerrno>
#include <expected>
#include <system_error>

namespace pilotlight::wire {

// What the system call that has just failed left in errno.
inline std::unexpected<std::error_code> last_error() {
  return std::unexpected(std::error_code(errno, std::generic_category()));
}

}  // namespace pilotlight::wire
