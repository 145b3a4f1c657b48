#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "sidecar/engine/backend.h"
#include "sidecar/engine/bundle/fault.h"

namespace pilotlight::engine::onnx {

// An ONNX file, read from memory, for ONNX Runtime's CPU provider. Its faster form is the graph with all
// optimisations. Either holds the weights, so only one of them is in memory at a time: `file` must stay until
// one has been chosen. Faults: `LoadFailed`, `UnsupportedSignature`, `OutOfMemory`.
//
// What the file may hold at all, check_onnx has decided before.
Outcome<std::unique_ptr<Backend>> load(std::span<const std::byte> file);

}  // namespace pilotlight::engine::onnx
