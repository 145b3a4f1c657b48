#pragma once

#include <cstddef>
#include <span>

#include "sidecar/wire/datatype.h"

namespace pilotlight::front {

// Whether a tensor's elements, in memory order and of any alignment, hold NaN or infinity. Never for whole
// numbers.
bool holds_non_finite(wire::Datatype type, std::span<const std::byte> elements);

}  // namespace pilotlight::front
