#include "sidecar/engine/bundle/elf_file.h"

#include <elf.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>

namespace pilotlight::engine {
namespace {

#if defined(__x86_64__)
constexpr int kThisProcessor = EM_X86_64;
#elif defined(__aarch64__)
constexpr int kThisProcessor = EM_AARCH64;
#else
constexpr int kThisProcessor = EM_NONE;
#endif

// More than any linker writes.
constexpr std::size_t kMaxSegments = 128;

bool lies_in(std::span<const std::byte> file, std::uint64_t offset, std::uint64_t size) {
  return offset <= file.size() && size <= file.size() - offset;
}

template <class Structure>
std::optional<Structure> read(std::span<const std::byte> file, std::uint64_t offset) {
  if (!lies_in(file, offset, sizeof(Structure))) return std::nullopt;
  Structure structure;
  std::memcpy(&structure, file.data() + offset, sizeof structure);
  return structure;
}

}  // namespace

std::expected<ElfFile, std::string> read_elf(std::span<const std::byte> file) {
  static_assert(std::endian::native == std::endian::little);
  const auto header = read<Elf64_Ehdr>(file, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) {
    return std::unexpected("is none: it does not begin as an ELF file does");
  }
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
      header->e_type != ET_DYN || header->e_phentsize != sizeof(Elf64_Phdr)) {
    return std::unexpected("is not one that can be loaded here: it is no shared library of 64 bits");
  }
  if (header->e_phnum > kMaxSegments) return std::unexpected("is damaged: it has too many segments");
  for (std::size_t i = 0; i < header->e_phnum; ++i) {
    // No overflow: read() refuses what begins behind the end.
    const auto segment = header->e_phoff > file.size()
                             ? std::nullopt
                             : read<Elf64_Phdr>(file, header->e_phoff + i * sizeof(Elf64_Phdr));
    if (!segment || !lies_in(file, segment->p_offset, segment->p_filesz)) {
      return std::unexpected("is cut off or damaged: a segment of it is not in the file");
    }
  }
  return ElfFile{.for_this_processor = header->e_machine == kThisProcessor};
}

}  // namespace pilotlight::engine
