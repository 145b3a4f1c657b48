#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "sidecar/wire/contract.h"

namespace pilotlight::engine {

// Inputs made from nothing but the contract, for trying a model that brings no golden cases: floats between 0
// and 1, integers 1 (an index that every table has), booleans true. Dimensions that vary, other than the
// batch, are
// 16. The contract must know every datatype and shape.
std::vector<at::Tensor> synthetic_inputs(const wire::Contract& contract, std::int64_t batch);

// Whether every datatype and shape is known.
bool is_complete(const wire::Contract& contract);

// Real inputs of another batch size: their rows, repeated.
std::vector<at::Tensor> tiled_inputs(const std::vector<at::Tensor>& inputs, std::int64_t batch);

}  // namespace pilotlight::engine
