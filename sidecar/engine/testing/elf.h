#pragma once

#include <elf.h>

#include <cstdint>
#include <string>

namespace pilotlight::engine::testing {

#if defined(__aarch64__)
inline constexpr std::uint16_t kThisMachine = EM_AARCH64;
#else
inline constexpr std::uint16_t kThisMachine = EM_X86_64;
#endif

// The beginning of a shared library with one segment; the test changes what it wants to be wrong.
struct Elf {
  std::uint16_t machine = kThisMachine;
  std::uint16_t kind = ET_DYN;
  unsigned char bits = ELFCLASS64;
  std::uint16_t segments = 1;
  std::uint64_t segments_at = sizeof(Elf64_Ehdr);
  std::uint64_t segment_bytes = 64;
};
std::string elf(const Elf& what);

}  // namespace pilotlight::engine::testing
