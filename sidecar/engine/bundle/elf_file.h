#pragma once

#include <cstddef>
#include <expected>
#include <span>
#include <string>

namespace pilotlight::engine {

// A compiled library, as far as it matters before it is loaded.
struct ElfFile {
  bool for_this_processor = false;  // of its architecture; instruction sets are another matter
};

// Looks at the header of a shared library and at its list of segments, each of which must lie in the file: a
// loader maps what is not there all the same, and the process dies when it gets there. The error says what is
// wrong with it, as in "the library …".
std::expected<ElfFile, std::string> read_elf(std::span<const std::byte> file);

}  // namespace pilotlight::engine
