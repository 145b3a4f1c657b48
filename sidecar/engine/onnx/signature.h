#pragma once

#include <onnxruntime_cxx_api.h>

#include "sidecar/engine/bundle/fault.h"
#include "sidecar/engine/signature.h"

namespace pilotlight::engine::onnx {

// The graph's inputs and outputs with their names, datatypes and shapes; symbolic dimensions are −1, and a
// tensor that declares no dimensions has an open shape: ONNX Runtime does not tell "none" from "unknown".
// `UnsupportedSignature` if one of them is no tensor that a request could carry.
Outcome<Signature> read_signature(const Ort::Session& session);

}  // namespace pilotlight::engine::onnx
