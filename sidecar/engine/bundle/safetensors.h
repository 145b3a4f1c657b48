#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "sidecar/wire/messages.h"

namespace pilotlight::engine {

// A tensor as stored: little-endian, row-major, inside the file's bytes. Not necessarily aligned.
struct StoredTensor {
  wire::Datatype datatype;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> data;
};

using StoredTensors = std::map<std::string, StoredTensor, std::less<>>;

inline constexpr std::uint64_t kMaxSafetensorsHeader = 1 << 20;

// Reads a safetensors file without copying its data. The error says what is wrong: every length is checked
// against the file, every tensor against its shape and datatype, and no two may overlap nor leave a gap.
std::expected<StoredTensors, std::string> read_safetensors(std::span<const std::byte> file);

}  // namespace pilotlight::engine
