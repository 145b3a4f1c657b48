#pragma once

#include "sidecar/engine/bundle/fault.h"

namespace torch::jit {
struct Module;
}

namespace pilotlight::engine::torchscript {

// Whether the file held as many bytes of each weight as it says. LibTorch takes the word of data.pkl, and a
// model would read whatever lies behind. `LoadFailed` if not.
Outcome<void> check_storages(const torch::jit::Module& module);

}  // namespace pilotlight::engine::torchscript
