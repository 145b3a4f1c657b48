// The header of a compiled library.

#include <elf.h>

#include "common/fuzz/fuzz.h"
#include "sidecar/engine/bundle/elf_file.h"
#include "sidecar/engine/testing/elf.h"

namespace pilotlight::fuzz {

void run(std::string_view input) {
  const auto file = engine::read_elf(bytes(input));
  if (!file) return require(presentable(file.error(), 256), "an error can be shown");
  // No segment of what was accepted begins or ends behind the file: nothing is left that cutting could take.
  require(input.size() >= sizeof(Elf64_Ehdr), "an accepted library has a header");
}

std::vector<std::string> seeds() {
  using engine::testing::elf;
  return {elf({}),
          elf({.machine = EM_S390}),
          elf({.bits = ELFCLASS32}),
          elf({.segments = 2}),
          elf({.segments_at = UINT64_MAX}),
          elf({.segment_bytes = UINT64_MAX})};
}

}  // namespace pilotlight::fuzz
