#pragma once

#include <ATen/core/Tensor.h>

#include <expected>
#include <vector>

#include "sidecar/engine/backend.h"
#include "sidecar/engine/device/device.h"
#include "sidecar/engine/run_error.h"

namespace pilotlight::engine {

// Runs a model whose parameters lie on `device`, with inputs and outputs in the processor's memory. What goes
// wrong on the device is told of this run and no later one. Where its memory ran out, what it keeps for later
// is given back and the model run once more. Throws DeviceFailed.
std::expected<Outputs, RunError> run_on(Device& device, Backend& model,
                                        const std::vector<at::Tensor>& inputs);

// Throws DeviceFailed if an error before has left the device unusable.
void check_device(Device& device, const std::string& error);

}  // namespace pilotlight::engine
