#include "sidecar/front/memory_guard.h"

#include <fstream>
#include <map>
#include <string>
#include <utility>

namespace pilotlight::front {
namespace {

constexpr std::chrono::milliseconds kLookEvery{500};

// A number in a file of its own; nothing for "max" and for a file that is not there.
std::optional<std::uint64_t> number(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  return file >> value ? std::optional(value) : std::nullopt;
}

// The lines "name value" of memory.stat.
std::map<std::string, std::uint64_t> statistics(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::map<std::string, std::uint64_t> result;
  std::string name;
  std::uint64_t value = 0;
  while (file >> name >> value) result[name] = value;
  return result;
}

}  // namespace

std::optional<CgroupMemory> read_cgroup_memory(const std::filesystem::path& root) {
  if (const auto limit = number(root / "memory.max")) {
    auto held = statistics(root / "memory.stat");
    return CgroupMemory{.held = held["anon"] + held["shmem"] + held["slab_unreclaimable"], .limit = *limit};
  }
  const auto first = root / "memory";
  const auto limit = number(first / "memory.limit_in_bytes");
  // Version 1 has no word for "no limit" but a number larger than any memory.
  if (!limit || *limit > (1ULL << 60)) return std::nullopt;
  auto held = statistics(first / "memory.stat");
  return CgroupMemory{.held = held["total_rss"] + held["total_shmem"], .limit = *limit};
}

MemoryGuard::MemoryGuard(Timers& timers, Read read, std::function<void(const CgroupMemory&)> seen)
    : timers_(timers), read_(std::move(read)), seen_(std::move(seen)) {}

void MemoryGuard::start() {
  const auto now = read_();
  if (!now) return;  // no limit: nothing to guard
  seen_(*now);
  next_ = timers_.after(kLookEvery, [this] { start(); });
}

}  // namespace pilotlight::front
