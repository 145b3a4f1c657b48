#pragma once

#include <cstdint>

namespace pilotlight::engine::sandbox {

// No cores, no look into the process by others, no files, few descriptors, and no more than `data_bytes` of
// memory of its own (0: as much as there is). False if one of them could not be had.
bool set_limits(std::uint64_t data_bytes);

// The same for a process with a device's driver in it: no cores, and descriptors enough for its nodes. It
// pins memory, makes files in memory, and names its threads through files that would be root's if nobody
// could look into the process.
bool set_limits_for_a_driver();

}  // namespace pilotlight::engine::sandbox
