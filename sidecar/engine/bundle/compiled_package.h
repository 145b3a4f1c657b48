#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sidecar/engine/bundle/compiled_inputs.h"
#include "sidecar/engine/bundle/fault.h"

namespace pilotlight::engine {

// An AOTInductor package (.pt2): a ZIP archive with a compiled library in it, and what it was compiled for.
struct CompiledPackage {
  std::string library;              // the member's name: a key, never a path
  std::uint64_t library_bytes = 0;  // unpacked
  std::string instructions;         // AOTI_CPU_ISA, such as "AVX2"
  std::vector<CompiledInput> inputs;
};

// Reads the directory and the metadata, not the library. Faults, all `UnsupportedFormat`: no library, or
// several; sources to be compiled, which nobody here does; operators that LibTorch would have to interpret;
// another device than the CPU; metadata that does not say which instructions and which inputs the library was
// compiled for. detect_format has seen the archive before.
Outcome<CompiledPackage> read_package(std::span<const std::byte> file);

// Unpacks the library into `to`, of library_bytes. False if the archive holds less, or something else.
bool unpack_library(std::span<const std::byte> file, const CompiledPackage& package, std::span<std::byte> to);

}  // namespace pilotlight::engine
