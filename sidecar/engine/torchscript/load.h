#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <memory>
#include <span>

#include "sidecar/engine/backend.h"
#include "sidecar/engine/bundle/fault.h"

namespace pilotlight::engine::torchscript {

// A TorchScript archive, read from memory; nothing of it is needed afterwards. Its frozen form has the
// parameters folded into the graph, and shares the weights. Its parameters lie on `place`, and its inputs
// must. Faults: `LoadFailed`, `UnsupportedSignature`, `OutOfMemory`.
Outcome<std::unique_ptr<Backend>> load(std::span<const std::byte> archive, at::Device place);

}  // namespace pilotlight::engine::torchscript
