#pragma once

#include "sidecar/engine/bundle/fault.h"
#include "sidecar/engine/signature.h"

namespace c10 {
struct FunctionSchema;
}

namespace pilotlight::engine::torchscript {

// `UnsupportedSignature` if an argument that must be given, or what is returned, is not made of tensors.
Outcome<Signature> read_signature(const c10::FunctionSchema& forward);

}  // namespace pilotlight::engine::torchscript
