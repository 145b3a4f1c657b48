#pragma once

#include <functional>
#include <string_view>

#include "sidecar/engine/bundle/fault.h"

namespace pilotlight::engine::aoti {

// Whether the processor has a feature, by the compiler's name for it ("avx2").
using HasFeature = std::function<bool(const char* feature)>;

// Whether code that was compiled for these instructions, by PyTorch's name (AOTI_CPU_ISA), can run here.
// Faults: `UnsupportedProcessor`, which another node may not have; `UnsupportedFormat` if nobody here knows
// the name, or they cannot be used in the sandbox.
Outcome<void> check_instructions(std::string_view instructions, const HasFeature& has);

// The same of this processor.
Outcome<void> check_instructions(std::string_view instructions);

}  // namespace pilotlight::engine::aoti
