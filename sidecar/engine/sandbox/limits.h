#pragma once

#include <cstdint>

namespace pilotlight::engine::sandbox {

// No cores, no look into the process by others, no files, few descriptors, and no more than `data_bytes` of
// memory of its own (0: as much as there is). False if one of them could not be had.
bool set_limits(std::uint64_t data_bytes);

}  // namespace pilotlight::engine::sandbox
