#pragma once

#include <cstdint>
#include <optional>

#include "sidecar/front/config.h"
#include "sidecar/front/launcher.h"
#include "sidecar/front/memory_guard.h"

namespace pilotlight::front {

// The arena that front and engine share: what requests and two batches of answers may need.
std::uint64_t arena_bytes(const Config& config);

// An answer's part of it.
std::uint64_t output_bytes(const Config& config);

// The most memory that an engine may take for itself, so that a model which asks for more gets an error
// rather than the whole container killed: the container's limit without the arena and the front. At least
// three quarters of it, as an arena is rarely full. 0, no limit, where the container has none.
std::uint64_t engine_data_bytes(const Config& config, const std::optional<CgroupMemory>& container);

// An engine for this model, in this container.
EngineSettings engine_settings(const Config& config);

}  // namespace pilotlight::front
