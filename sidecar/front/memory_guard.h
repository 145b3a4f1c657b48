#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "sidecar/front/timers.h"

namespace pilotlight::front {

// What a cgroup's processes hold that the kernel cannot take back without killing one, and the limit.
struct CgroupMemory {
  std::uint64_t held;
  std::uint64_t limit;
};

// Reads the container's own cgroup, version 2 or 1; nothing where there is none or no limit.
std::optional<CgroupMemory> read_cgroup_memory(const std::filesystem::path& root = "/sys/fs/cgroup");

// Looks twice a second at the container's memory, so that the engine can be ended before the kernel ends the
// container: with cgroup v2 an OOM takes the front with it, and with the front the reason. It sees a leak and
// not a sudden allocation. Runs on the loop's thread.
class MemoryGuard {
 public:
  using Read = std::function<std::optional<CgroupMemory>()>;

  // `seen` is called with what was read.
  MemoryGuard(Timers& timers, Read read, std::function<void(const CgroupMemory&)> seen);
  void start();

 private:
  Timers& timers_;
  Read read_;
  std::function<void(const CgroupMemory&)> seen_;
  Timers::Handle next_;
};

}  // namespace pilotlight::front
