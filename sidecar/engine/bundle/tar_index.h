#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

#include "sidecar/engine/bundle/fault.h"

namespace pilotlight::engine {

// Members of an archive by name; the bytes lie in the archive itself.
using Members = std::map<std::string, std::span<const std::byte>, std::less<>>;

inline constexpr std::size_t kMaxMembers = 1024;

// Indexes an uncompressed tar archive without copying it. Refused, as `InvalidBundle`: anything but regular
// files and directories, sparse files, names that are absolute, hold `..` or are there twice, too many
// members, and archives that are cut off.
Outcome<Members> index_tar(std::span<const std::byte> archive);

}  // namespace pilotlight::engine
