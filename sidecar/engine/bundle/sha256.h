#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace pilotlight::engine {

// "sha256:" and 64 lower-case hexadecimal digits.
std::string sha256_text(std::span<const std::byte> bytes);

}  // namespace pilotlight::engine
