#include "sidecar/engine/testing/elf.h"

#include <cstring>

namespace pilotlight::engine::testing {
namespace {

template <class Structure>
std::string bytes_of(const Structure& structure) {
  std::string text(sizeof structure, '\0');
  std::memcpy(text.data(), &structure, sizeof structure);
  return text;
}

}  // namespace

std::string elf(const Elf& what) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = what.bits;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = what.kind;
  header.e_machine = what.machine;
  header.e_phoff = what.segments_at;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = what.segments;
  Elf64_Phdr segment{};
  segment.p_type = PT_LOAD;
  segment.p_offset = sizeof header + sizeof segment;
  segment.p_filesz = what.segment_bytes;
  return bytes_of(header) + bytes_of(segment) + std::string(64, '\0');
}

}  // namespace pilotlight::engine::testing
