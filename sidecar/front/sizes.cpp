#include "sidecar/front/sizes.h"

#include <algorithm>

namespace pilotlight::front {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kFront = 64 * kMiB;

// JSON can name more bytes than it has: "1," is up to eight. Pages cost nothing until they are used.
std::uint64_t input_bytes(const Config& config) {
  return std::clamp(4 * config.max_request_bytes, 64 * kMiB, 4096 * kMiB);
}

}  // namespace

std::uint64_t output_bytes(const Config& config) {
  return std::clamp(config.max_request_bytes, 32 * kMiB, 1024 * kMiB);
}

std::uint64_t arena_bytes(const Config& config) {
  return input_bytes(config) + 2 * output_bytes(config);
}

std::uint64_t engine_data_bytes(const Config& config, const std::optional<CgroupMemory>& container) {
  if (!container) return 0;
  const std::uint64_t others = kFront + arena_bytes(config);
  const std::uint64_t rest = container->limit > others ? container->limit - others : 0;
  return std::max(rest, container->limit / 4 * 3);
}

EngineSettings engine_settings(const Config& config) {
  return {.threads = config.load.threads,
          .data_bytes = engine_data_bytes(config, read_cgroup_memory()),
          .machine_code = config.load.format == wire::ModelFormat::kAotInductor};
}

}  // namespace pilotlight::front
